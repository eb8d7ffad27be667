"""hwgen compiles trained binarized vision transformers into FPGA accelerators."""

__version__ = "0.1.0"
