"""Simulation of the engine: the C++ harness on Verilator, cocotb for the generated folder."""
