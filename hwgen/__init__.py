"""hwgen compiles trained binarized vision transformers into FPGA accelerators."""

__version__ = "0.2.0"
