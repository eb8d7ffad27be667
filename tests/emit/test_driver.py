"""host/driver.py against a model of the registers: load, start, wait, read, and what it refuses."""

from __future__ import annotations

import importlib.util
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hwgen.emit.folder import driver_text
from hwgen.emit.image import write_image
from hwgen.emit.rtl import masters, rtl_texts
from hwgen.schedule.program import schedule
from hwgen.search.choose import choose
from hwgen.targets import get_target
from tests.graphs import random_graph
from tests.padded_graphs import STEMS, stem_graph


class Buffer(np.ndarray):
    device_address = 0
    freed = False

    def __array_finalize__(self, base) -> None:
        if isinstance(base, Buffer):  # a slice: where it lies, as PYNQ's buffers say it
            offset = self.__array_interface__["data"][0] - base.__array_interface__["data"][0]
            self.device_address = base.device_address + offset

    def flush(self) -> None:
        self.flushed = True

    def invalidate(self) -> None:
        pass

    def freebuffer(self) -> None:
        assert not self.freed
        self.freed = True


class Board:
    """Registers and buffers, with the rules of axil_regs.v: START counts only while the engine is
    idle, DONE stays until a 1 is written or a frame starts, an error until a soft reset.

    A frame takes `frame_reads` reads of STATUS (None: no end), a soft reset `reset_reads`. The
    logits are `result` of the image that was in the input region at START. Memory is what the
    engine's ports see: `ports` planes, each with a part of every beat.
    """

    def __init__(
        self, sizes: int, ports: int, *, frame_reads=3, reset_reads=2, error=0, deaf=False
    ) -> None:
        self.values = {0x00: 0x4857474E, 0x34: sizes, 0x40: 1234, 0x70: ports}
        self.planes, self.port_bytes = ports & 0xFF, (ports >> 8) // 8 // (ports & 0xFF)
        self.input_bytes = self.output_bytes = 0
        self.frame_reads, self.reset_reads, self.fault, self.deaf = (
            frame_reads, reset_reads, error, deaf,
        )  # fmt: skip
        self.running = self.resetting = self.done = False
        self.error = self.left = self.resets = self.starts = 0
        self.image = b""
        self.buffers, self.base, self.pause = [], 0x1000_0000, False

    def read(self, offset: int) -> int:
        if offset != 0x0C:
            return self.values.get(offset, 0)
        if self.pause:
            time.sleep(1e-5)  # another thread's turn
        self.tick()
        busy = self.running and not self.error
        return busy | self.done << 1 | self.resetting << 2 | self.error << 4

    def tick(self) -> None:
        if self.left is None or not (self.running or self.resetting):
            return
        self.left -= 1
        if self.left > 0:
            return
        if self.resetting:
            self.resetting, self.error = False, 0
        elif self.fault:
            self.error = self.fault
        else:
            logits = result(self.image, self.output_bytes // 2).tobytes()
            self.memory(0x28, len(logits))[:] = np.frombuffer(logits, np.uint8).reshape(
                -1, self.planes, self.port_bytes
            )
            self.running, self.done = False, True

    def write(self, offset: int, value: int) -> None:
        if offset == 0x08 and value & 2:
            self.running, self.done, self.resetting = False, False, True
            self.left = self.reset_reads
            self.resets += 1
        elif offset == 0x08 and value & 1:
            idle = not (self.running or self.resetting or self.error)
            if idle and not self.deaf:
                self.running, self.done, self.left = True, False, self.frame_reads
                self.image = self.memory(0x20, self.input_bytes).tobytes()
                self.starts += 1
        elif offset == 0x0C:
            self.done = self.done and not value & 2
        elif offset != 0x08:
            self.values[offset] = value

    def memory(self, register: int, size: int) -> np.ndarray:
        """What a base register points at: (beats, ports, bytes of a port), to read and write."""
        (buffer,) = self.buffers
        base = self.values[register] + (self.values[register + 4] << 32) - buffer.device_address
        plane = self.values[0x38] if self.planes > 1 else 0
        length = size // self.planes
        assert 0 <= base <= base + length <= plane or self.planes == 1
        flat = np.asarray(buffer)
        strides = (self.port_bytes, plane, 1)
        shape = (length // self.port_bytes, self.planes, self.port_bytes)
        return np.lib.stride_tricks.as_strided(flat[base:], shape, strides)

    def allocate(self, size: int) -> Buffer:
        buffer = np.zeros(size, dtype=np.uint8).view(Buffer)
        buffer.device_address = self.base
        self.base += -(-size // 4096) * 4096
        self.buffers.append(buffer)
        return buffer


def result(image: bytes, count: int) -> np.ndarray:
    return ((zlib.crc32(image) + 17 * np.arange(count)) % 30011).astype("<i2")


def made(graph, target: str, folder):
    """(driver, its image folder, program) of a graph."""
    program = schedule(graph, choose(graph, get_target(target)))
    write_image(folder / "image", program)
    (folder / "driver.py").write_text(driver_text(program, folder / "image"))
    spec = importlib.util.spec_from_file_location("driver", folder / "driver.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, folder / "image", program


@pytest.fixture(scope="module", params=["zynq", "kv260"], ids=["two ports", "one port"])
def driver(request, tmp_path_factory):
    return made(random_graph(), request.param, tmp_path_factory.mktemp("driver"))


@pytest.fixture
def new_board(driver):
    """new_board(**options of Board) -> the board that the driver is for."""
    module, _, program = driver

    def make(**options) -> Board:
        board = Board(module.SIZES, module.PORTS, **options)
        board.input_bytes = program.image_bytes
        board.output_bytes = program.output_words * program.sizing.word_bytes
        return board

    return make


@pytest.fixture
def start(driver, new_board):
    """start(**options of Board) -> (engine, board)."""
    module, image, _ = driver

    def make(**options):
        board = new_board(**options)
        return module.Engine(board, board.allocate, image), board

    return make


@pytest.fixture
def picture(driver):
    """picture(n) -> image number n, whose logits differ from all others'."""
    return lambda n: np.full(driver[0].IMAGE_SHAPE, n, dtype=np.uint8)


@pytest.fixture
def logits(driver):
    """logits(image) -> what the engine makes of it."""
    _, _, program = driver
    frac = program.graph.types()[program.graph.output].frac
    size = program.image_bytes

    def of(image: np.ndarray) -> list[float]:
        return (result(image.tobytes().ljust(size, b"\0"), 10) * 2.0**-frac).tolist()

    return of


@pytest.mark.parametrize("frame_reads", [1, 2, 50])  # 1: done before STATUS is read
def test_runs_a_frame(driver, start, picture, logits, frame_reads) -> None:
    module, _, program = driver
    engine, board = start(frame_reads=frame_reads)
    assert engine.run(picture(7)).tolist() == logits(picture(7))
    assert board.memory(0x10, len(program.binary())).tobytes() == program.binary()
    assert board.memory(0x18, len(program.weights)).tobytes() == program.weights
    assert board.memory(0x20, picture(7).size).tobytes() == picture(7).tobytes()
    assert (board.values[0x10], board.values[0x14]) == (0x1000_0000, 0)
    assert board.values[0x38] % 4096 == board.values[0x3C] == 0
    assert board.values[0x30] == sum(program.lines)
    s = program.sizing
    assert s.lanes | s.act_bits << 8 | s.kw << 16 == module.SIZES
    assert s.axi_ports | s.axi_bits << 8 == module.PORTS


def test_rows_that_are_no_whole_words(tmp_path) -> None:
    """The driver puts behind every row what the program expects there."""
    module, folder, program = made(stem_graph(STEMS[6]), "zynq", tmp_path)
    assert len(program.row_padding) == 10
    board = Board(module.SIZES, module.PORTS)
    image = np.random.default_rng(0).integers(0, 256, module.IMAGE_SHAPE).astype(np.uint8)
    with module.Engine(board, board.allocate, folder) as engine:
        engine.load(image)
        held = board.memory(0x20, program.image_bytes).tobytes()
    assert held == program.input_bytes(image) != image.tobytes()


def test_the_steps_give_the_same(start, picture, logits) -> None:
    engine, _ = start()
    engine.load(picture(1))
    frame = engine.start()
    assert engine.wait(frame=frame) == 1234
    assert engine.read(frame).tolist() == logits(picture(1))


def test_refuses_another_engine(driver) -> None:
    module, image, _ = driver
    for sizes, ports, what in ((1, 0, "engine sizes"), (0, 1, "memory ports")):
        board = Board(module.SIZES + sizes, module.PORTS + ports)
        with pytest.raises(module.EngineError, match=f"{what} 0x.*program made for"):
            module.Engine(board, board.allocate, image)
        assert board.buffers == []


def flipped(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


@pytest.mark.parametrize("name", ["program.bin", "weights.bin", "memory_map.json"])
@pytest.mark.parametrize("damage", [flipped, lambda data: data[:-16], lambda data: b""])
def test_refuses_a_damaged_file(driver, tmp_path, name, damage) -> None:
    module, image, _ = driver
    for file in image.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes(damage((image / name).read_bytes()))
    board = Board(module.SIZES, module.PORTS)
    with pytest.raises(module.EngineError, match=rf"{name}: SHA-256 differs"):
        module.Engine(board, board.allocate, tmp_path)
    assert board.buffers == []  # nothing was given to the engine


def test_names_the_engines_error(driver, start, picture) -> None:
    engine, _ = start(error=3)
    with pytest.raises(driver[0].EngineError, match="error 3: CRC of a weight record differs"):
        engine.run(picture(0))


def test_refuses_a_wrong_image(start) -> None:
    engine, _ = start()
    with pytest.raises(ValueError, match="must be uint8"):
        engine.load(np.zeros((4, 4, 3), dtype=np.uint8))


def test_after_a_timeout_the_next_frame_is_its_own(driver, start, picture, logits) -> None:
    """The engine is slow: it ends image 1 while the host has given it up."""
    engine, board = start(frame_reads=4)
    engine.load(picture(1))
    engine.start()
    with pytest.raises(driver[0].EngineError, match="no end after 0"):
        engine.wait(0)
    assert engine.run(picture(2)).tolist() == logits(picture(2))
    assert board.starts == 2


def test_after_a_hang_the_next_frame_is_its_own(driver, start, picture, logits) -> None:
    engine, board = start()
    assert engine.run(picture(1)).tolist() == logits(picture(1))
    board.frame_reads = None
    engine.load(picture(2))
    engine.start()
    with pytest.raises(driver[0].EngineError, match=r"no end after 0\.01 s: retired dma 0"):
        engine.wait(0.01)
    with pytest.raises(driver[0].EngineError, match="no finished frame"):
        engine.read()  # image 1's logits are still in the buffer
    board.frame_reads = 3
    assert engine.run(picture(3)).tolist() == logits(picture(3))


def test_after_an_error_the_next_frame_runs(driver, start, picture, logits) -> None:
    engine, board = start(error=1)
    with pytest.raises(driver[0].EngineError, match="error 1: bus error on a read"):
        engine.run(picture(1))
    board.fault = 0
    assert engine.run(picture(2)).tolist() == logits(picture(2))


def test_an_interrupted_frame_is_nobodys(start, picture, logits, monkeypatch) -> None:
    engine, _ = start()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engine, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            engine.run(picture(1))
    assert engine.run(picture(2)).tolist() == logits(picture(2))


def test_threads_get_their_own_logits(start, picture, logits) -> None:
    engine, board = start()
    board.pause = True
    wrong = []

    def frames(first: int) -> None:
        for n in range(first, first + 20):
            if engine.run(picture(n)).tolist() != logits(picture(n)):
                wrong.append(n)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(frames, first) for first in (0, 100)]:
            done.result()
    assert wrong == []
    assert board.starts == 40


def test_resets_what_an_earlier_program_left(driver, new_board, picture, logits) -> None:
    module, image, _ = driver
    board = new_board()
    board.running, board.left = True, None
    engine = module.Engine(board, board.allocate, image)
    assert board.resets == 1
    assert engine.run(picture(1)).tolist() == logits(picture(1))


def test_a_reset_without_end_says_so(driver, start) -> None:
    engine, board = start()
    board.reset_reads = None
    with pytest.raises(driver[0].EngineError, match="needs a power cycle / reload the bitstream"):
        engine.soft_reset(0.01)


def test_a_reset_without_end_gives_no_buffer(driver, monkeypatch) -> None:
    module, image, _ = driver
    board = Board(module.SIZES, module.PORTS, reset_reads=None)
    reset = module.Engine.soft_reset
    monkeypatch.setattr(module.Engine, "soft_reset", lambda self: reset(self, 0.01))
    with pytest.raises(module.EngineError, match=r"no end of the soft reset after 0\.01 s"):
        module.Engine(board, board.allocate, image)
    assert board.buffers == []


def test_a_busy_engine_is_not_started(driver, start, picture, logits) -> None:
    engine, board = start()
    engine.load(picture(1))
    board.running, board.left = True, None  # not by us
    with pytest.raises(driver[0].EngineError, match="the engine is not idle: status 0x1"):
        engine.start()
    assert engine.run(picture(2)).tolist() == logits(picture(2))


def test_a_start_that_is_not_taken_is_an_error(driver, start, picture) -> None:
    engine, _ = start(deaf=True)
    with pytest.raises(driver[0].EngineError, match="did not take the start: status 0x0"):
        engine.run(picture(1))


def test_steps_out_of_order_are_refused(driver, start, picture) -> None:
    module = driver[0]
    engine, board = start()
    with pytest.raises(module.EngineError, match=r"no frame is running \(idle\)"):
        engine.wait()
    with pytest.raises(module.EngineError, match="no image"):
        engine.start()
    with pytest.raises(module.EngineError, match="no finished frame"):
        engine.read()
    engine.load(picture(1))
    engine.start()
    for step in (engine.start, lambda: engine.load(picture(2))):
        with pytest.raises(module.EngineError, match="frame 1 is running"):
            step()
    with pytest.raises(module.EngineError, match="no finished frame"):
        engine.read()
    engine.wait()
    engine.read(1)
    engine.start()
    with pytest.raises(module.EngineError, match="frame 1 is not the one that runs, 2"):
        engine.wait(frame=1)
    engine.wait()
    with pytest.raises(module.EngineError, match="frame 1 is not the last that finished, 2"):
        engine.read(1)
    assert board.starts == 2


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        (0x1000_0008, "the address must be a multiple of 16"),
        (0x1_0000_0000, "must lie below 0x100000000"),
        (0xFFFF_FFF0, "must lie below 0x100000000"),  # it ends above
    ],
)
def test_refuses_a_buffer_that_the_engine_cannot_reach(driver, address, rule) -> None:
    module, image, _ = driver
    board = Board(module.SIZES, module.PORTS)

    def allocate(size: int) -> Buffer:
        buffer = board.allocate(size)
        buffer.device_address = address
        return buffer

    with pytest.raises(module.EngineError, match=rf"buffer: \d+ bytes at {address:#x}; {rule}"):
        module.Engine(board, allocate, image)
    assert [b.freed for b in board.buffers] == [True]


def test_the_address_width_is_the_engines(driver) -> None:
    module, _, program = driver
    text = rtl_texts(program.sizing)["hwgen_engine.v"]
    for port in masters(program.sizing):
        for pin in ("araddr", "awaddr"):
            assert f"[{module.ADDRESS_BITS - 1}:0] {port}_{pin}," in text


def test_the_buffer_is_freed_at_the_end(driver, start, picture) -> None:
    engine, board = start()
    (buffer,) = board.buffers
    with engine:
        engine.run(picture(1))
        assert not buffer.freed
    assert buffer.freed
    engine.close()
    for step in (lambda: engine.run(picture(1)), engine.soft_reset):
        with pytest.raises(driver[0].EngineError, match="closed: its buffer is freed"):
            step()


def test_a_running_engine_is_stopped_before_its_buffer_goes(driver, start, picture) -> None:
    engine, board = start(frame_reads=None)
    engine.load(picture(1))
    engine.start()
    board.reset_reads = None
    reset = engine.soft_reset
    engine.soft_reset = lambda: reset(0.01)
    with pytest.raises(driver[0].EngineError, match="no end of the soft reset"):
        engine.close()
    assert not any(b.freed for b in board.buffers)  # the engine may write to them
    board.reset_reads = 2
    engine.close()
    assert not board.running
    assert all(b.freed for b in board.buffers)


def test_a_buffer_of_another_size_is_freed(driver) -> None:
    module, image, _ = driver
    board = Board(module.SIZES, module.PORTS)
    with pytest.raises(module.EngineError, match=r"buffer: \d+ bytes at .*; must have \d+ bytes"):
        module.Engine(board, lambda size: board.allocate(size - 16), image)
    assert [b.freed for b in board.buffers] == [True]
