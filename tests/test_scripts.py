"""How scripts end when they are stopped in their first and last moments, or what they print has no room."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import app
import evaluate
import render
import test_model
import test_poisson
import train
from utils.errors import InputError

ROOT = Path(__file__).parents[1]
CTRL_C = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


def ended(command: list[str], path: Path, stdout: int = subprocess.PIPE) -> tuple[int, str]:
    """Exit code and stderr of a script that finds the modules of a folder before all others."""
    environment = os.environ | {"PYTHONPATH": str(path)}
    run = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True
    )
    return run.returncode, run.stderr


@pytest.mark.parametrize(
    "script",
    ["app.py", "evaluate.py --pred a --gt b", "render.py", "test_model.py", "train.py", "-m models.export_onnx"],
)
def test_ctrl_c_during_the_imports_is_one_line(tmp_path, script):
    (tmp_path / "numpy.py").write_text(f"{CTRL_C}\n")
    assert ended(script.split(), tmp_path) == (130, "stopped by Ctrl-C\n")


def test_ctrl_c_while_pytorch_is_imported_is_one_line(tmp_path):
    """The person is looked for beside that, by a process of its own."""
    (tmp_path / "torch.py").write_text(f"{CTRL_C}\n")
    command = ["test_model.py", "samples/synthetic_200001.jpg", "--save_path", str(tmp_path / "results")]
    assert ended(command, tmp_path) == (130, "stopped by Ctrl-C\n")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "script", ["app.py", "evaluate.py", "render.py", "test_model.py", "test_poisson.py", "train.py"]
)
def test_help_does_not_wait_for_pytorch(tmp_path, script):
    (tmp_path / "torch.py").write_text("raise RuntimeError('imported')\n")
    assert ended([script, "--help"], tmp_path) == (0, "")


def test_the_command_line_is_looked_at_before_pytorch_is_imported(tmp_path):
    (tmp_path / "torch.py").write_text("raise RuntimeError('imported')\n")
    code, errors = ended(["test_model.py", "--mesh_step", "0"], tmp_path)
    assert code == 2 and "expected a whole number from 1" in errors and "Traceback" not in errors
    code, errors = ended(["test_model.py", "nowhere"], tmp_path)
    assert (code, errors) == (2, "error: nowhere: no such file or folder, expected photos\n")


def test_ctrl_c_while_python_ends_is_one_line(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(f"import atexit\natexit.register(lambda: exec({CTRL_C!r}))\n")
    code, errors = ended(["test_poisson.py", str(tmp_path)], tmp_path)
    assert code == 130 and errors.endswith("that test_model.py writes\nstopped by Ctrl-C\n") and errors.count("\n") == 2


@pytest.mark.parametrize(
    ("command", "expected"),
    [(["test_poisson.py", "missing"], "True True"), (["-c", "import utils.script"], "True False")],
)
def test_garbage_is_collected_in_a_program_that_did_not_while_it_was_imported(tmp_path, command, expected):
    """What was there before main is set aside; a process of another program keeps its own rules."""
    say = "print(gc.isenabled(), gc.get_freeze_count() > 0, file=sys.stderr)"
    (tmp_path / "sitecustomize.py").write_text(f"import atexit, gc, sys\natexit.register(lambda: {say})\n")
    _, errors = ended(command, tmp_path)
    assert errors.splitlines()[-1] == expected


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (test_model.main, [""]),
        (test_poisson.main, ["--save_path", ""]),
        (evaluate.main, ["--pred", "", "--gt", "a"]),
        (render.main, ["--data_name", "RP", "--data_path", ""]),
        (train.main, ["--phase", "1", "--save_path", ""]),
    ],
)
def test_an_empty_path_is_not_the_folder_where_the_shell_stands(capsys, main, arguments):
    """As "$PHOTOS" is where the variable is not set."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert capsys.readouterr().err.splitlines()[-1].endswith("is a variable of the shell not set?")


def test_a_port_that_is_taken_or_none_is_said_before_the_model_is_loaded():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        for port in (other.getsockname()[1], 99_999):
            with pytest.raises(InputError, match=f"--port {port}: .*expected one from 1 to 65535 that is free"):
                app.check_port(port)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_what_is_printed_into_a_full_disk_is_one_line(tmp_path):
    (tmp_path / "show.py").write_text(
        "import sys\nfrom utils.script import ends_in_one_line\n"
        "@ends_in_one_line\ndef main(argv=None):\n    print('done')\n    return 0\nsys.exit(main())\n"
    )
    with open("/dev/full", "w") as full:
        code, errors = ended([str(tmp_path / "show.py")], ROOT, stdout=full.fileno())
    assert code == 1 and errors.startswith("error: No space left on device") and errors.count("\n") == 1
