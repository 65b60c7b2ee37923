"""RenderPeople subjects that the official set does not take as they are (METHOD.md 2.3)."""

FOLDER_ENDING, MESH_ENDINGS = "_OBJ", ("_100k", "_200k")
"""What follows a subject's name: obj/RP/{ID}_OBJ/{ID}_100k.obj."""
TURNED_DEG = -90.0
"""About Y, so that they face the camera."""
TURNED_SUBJECTS = frozenset(
    (
        "rp_andrew_posed_004",
        "rp_anna_posed_001",
        "rp_chloe_posed_004",
        "rp_dennis_posed_008",
        "rp_emma_posed_025",
        "rp_eric_posed_007",
        "rp_eric_posed_036",
        "rp_eve_posed_003",
        "rp_helen_posed_038",
        "rp_jessica_posed_006",
        "rp_luke_posed_007",
        "rp_luke_posed_008",
        "rp_maya_posed_027",
        "rp_mira_posed_001",
        "rp_noah_posed_011",
        "rp_oliver_posed_029",
        "rp_pamela_posed_012",
        "rp_petra_posed_006",
        "rp_scott_posed_037",
        "rp_toshiro_posed_021",
        "rp_wendy_posed_002",
    )
)
SHRUNK_TO = 0.9
"""Times the usual size in the picture."""
SHRUNK = frozenset(
    (
        "rp_andrew_posed_007",
        "rp_beatrice_posed_034",
        "rp_christine_posed_017",
        "rp_dennis_posed_001",
        "rp_elena_posed_013",
        "rp_ethan_posed_003",
        "rp_joel_posed_006",
        "rp_mei_posed_007",
        "rp_michael_posed_019",
    )
)
