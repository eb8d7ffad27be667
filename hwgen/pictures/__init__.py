"""Images that users give: pictures, folders of them, arrays; as uint8 (N, H, W, channels).

Read in this order: limits, decode (a file -> 8-bit pixels), preprocess (-> the network's size),
reader (both, counted), layout and arrays (.npy, .npz, .pt), labels, folder, sets (`open_images`).
"""

from hwgen.pictures.preprocess import Preprocess
from hwgen.pictures.sets import ImageSet, Network, network_of, open_images

__all__ = ["ImageSet", "Network", "Preprocess", "network_of", "open_images"]
