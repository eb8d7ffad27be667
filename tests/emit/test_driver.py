"""host/driver.py against a model of the registers: load, start, wait, read, and what it refuses."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from hwgen.emit.folder import driver_text
from hwgen.emit.image import write_image
from hwgen.schedule.program import schedule
from hwgen.search.choose import choose
from hwgen.targets import get_target
from tests.graphs import random_graph


class Buffer(np.ndarray):
    device_address = 0x1_0000_0000

    def flush(self) -> None:
        self.flushed = True

    def invalidate(self) -> None:
        pass


class Mmio:
    """Registers that finish at once: the output region gets 0, 1, 2, .. as int16."""

    def __init__(self, sizes: int, error: int = 0) -> None:
        self.values = {0x00: 0x4857474E, 0x34: sizes, 0x40: 1234, 0x0C: 0}
        self.error, self.buffers = error, []

    def read(self, offset: int) -> int:
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == 0x08 and value & 1:
            out = self.buffers[-1]
            out[:] = np.arange(out.size // 2, dtype="<i2").view(np.uint8)
            self.values[0x0C] = self.error << 4 if self.error else 2
        elif offset != 0x0C:
            self.values[offset] = value

    def allocate(self, size: int) -> Buffer:
        buffer = np.zeros(size, dtype=np.uint8).view(Buffer)
        self.buffers.append(buffer)
        return buffer


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    graph = random_graph()
    program = schedule(graph, choose(graph, get_target("zynq")))
    folder = tmp_path_factory.mktemp("driver")
    write_image(folder / "image", program)
    (folder / "driver.py").write_text(driver_text(program, folder / "image"))
    spec = importlib.util.spec_from_file_location("driver", folder / "driver.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, folder / "image", program


def test_runs_a_frame(driver) -> None:
    module, image, program = driver
    mmio = Mmio(module.SIZES)
    engine = module.Engine(mmio, mmio.allocate, image)
    picture = np.full(module.IMAGE_SHAPE, 7, dtype=np.uint8)
    logits = engine.run(picture)
    assert engine.buffers["program"].tobytes() == program.binary()
    assert engine.buffers["weights"].tobytes() == program.weights
    assert engine.buffers["input"][: picture.size].tobytes() == picture.tobytes()
    assert (mmio.values[0x10], mmio.values[0x14]) == (0, 1)  # 64-bit base address
    assert mmio.values[0x30] == len(program.instructions)
    frac = program.graph.types()[program.graph.output].frac
    assert logits.tolist() == [k * 2.0**-frac for k in range(10)]
    s = program.sizing
    assert s.lanes | s.act_bits << 8 | s.kw << 16 == module.SIZES


def test_refuses_another_engine(driver) -> None:
    module, image, _ = driver
    mmio = Mmio(module.SIZES + 1)
    with pytest.raises(module.EngineError, match="program made for"):
        module.Engine(mmio, mmio.allocate, image)


def flipped(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


@pytest.mark.parametrize("name", ["program.bin", "weights.bin", "memory_map.json"])
@pytest.mark.parametrize("damage", [flipped, lambda data: data[:-16], lambda data: b""])
def test_refuses_a_damaged_file(driver, tmp_path, name, damage) -> None:
    module, image, _ = driver
    for file in image.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes(damage((image / name).read_bytes()))
    mmio = Mmio(module.SIZES)
    with pytest.raises(module.EngineError, match=rf"{name}: SHA-256 differs"):
        module.Engine(mmio, mmio.allocate, tmp_path)
    assert mmio.buffers == []  # nothing was given to the engine


def test_names_the_engines_error(driver) -> None:
    module, image, _ = driver
    mmio = Mmio(module.SIZES, error=3)
    engine = module.Engine(mmio, mmio.allocate, image)
    with pytest.raises(module.EngineError, match="error 3: CRC of a weight record differs"):
        engine.run(np.zeros(module.IMAGE_SHAPE, dtype=np.uint8))


def test_refuses_a_wrong_image(driver) -> None:
    module, image, _ = driver
    mmio = Mmio(module.SIZES)
    engine = module.Engine(mmio, mmio.allocate, image)
    with pytest.raises(ValueError, match="must be uint8"):
        engine.load(np.zeros((4, 4, 3), dtype=np.uint8))
