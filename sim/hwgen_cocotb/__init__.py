"""cocotb library of the engine: AXI memory, AXI-Lite driver, the whole-network test."""
