"""From a photo to a person in space, in three lines.

from inference import PhotoDigitizer

digitizer = PhotoDigitizer.load()    # the shipped model; or a path to your own or to the authors' checkpoint
person = digitizer("photo.jpg")      # or an (H, W, 3) uint8 RGB array; person.maps, .cloud, .warnings, ...
person.write("results/mine")         # every file that test_model.py writes; that script uses this class
"""

from inference.digitized_person import DigitizedPerson, Maps, MeshOptions
from inference.photo_digitizer import PhotoDigitizer
from inference.subject import Subject

__all__ = ["DigitizedPerson", "Maps", "MeshOptions", "PhotoDigitizer", "Subject"]
