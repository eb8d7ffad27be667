"""Order of execution: ops in bands, and large bands strip by strip (rows of the grid).

Ops that follow each other row by row form a band. A band with more than `strip_tokens` tokens runs
one strip of rows after the other through all its ops, so that what only lives inside the band (the
hidden layer of an MLP, say) needs memory for a strip. An op that needs rows beyond the strip of a
tensor from its own band starts a new one; a max-pool may follow the finer grid that it reads.
Strips have at most `strip_tokens` tokens of 64 channels, fewer wider ones. A filter runs one strip
ahead, a circular one its last strip first: then its source may be overwritten by the band's result
in place.

A tensor that `spill` keeps in DDR is stored strip by strip as it is made; the bands that read it
bring back the rows of a strip before it begins, those that a filter reads around it too. Only then
windows of attention run by rows of windows as well, and few rows of a grid even where a filter sees
most of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from hwgen.ir.graph import Graph
from hwgen.ops.base import Op
from hwgen.ops.types import ImageRows, TensorType

STRIP_CHANNELS = 64  # a strip of wider tokens has fewer of them
EARLY_SLOTS = 2  # of a tensor whose next strip comes during this one (from DDR, of a filter)


@dataclass(frozen=True)
class Part:
    """Rows first .. first + count - 1 of an op's result grid; the strip they are."""

    first: int
    count: int
    strip: int


@dataclass(frozen=True)
class Piece:
    """One step of the plan: an op (by name, or the graph's input) and its rows; None: all.

    beside: it runs beside the next piece, word by word (`_beside`). store: these rows of the tensor
    of that name go to DDR.
    """

    name: str
    part: Part | None
    beside: bool = False
    store: bool = False


@dataclass(frozen=True)
class Strips:
    """A tensor stored by strips: rows of one, and the slot each goes to.

    first: of a reloaded tensor, whose strips overlap, the first row of each; rows count on beyond
    both ends of the grid.
    """

    rows: int
    slots: tuple[int, ...]
    first: tuple[int, ...] = ()

    def same(self, strip: int) -> list[int]:
        """Of a reloaded tensor, the strips with the rows of this one; they follow each other, and
        the first brings them back."""
        return [k for k, row in enumerate(self.first) if row == self.first[strip]]


@dataclass(frozen=True)
class Plan:
    """Pieces in order; tensors that are stored by strips; the image's rows; ops by band."""

    pieces: tuple[Piece, ...]
    strips: dict[str, Strips]
    image: ImageRows
    bands: tuple[tuple[str, ...], ...] = ()

    @property
    def stored(self) -> list[str]:
        """The tensors that are kept in DDR, in the order in which they are made."""
        return list(dict.fromkeys(piece.name for piece in self.pieces if piece.store))


def loaded(op: Op) -> bool:
    """Whether it comes from DDR, as its first reader asks for it."""
    return op.LOADED or not op.inputs


def result_grid(op: Op) -> tuple[int, int] | None:
    """(height, width) of a result that can be made by rows (of tokens or windows), else None."""
    height, _ = op.out.rows
    return op.out.rows if height > 1 and op.source_rows(0, 1) is not None else None


def rows_read(op: Op, name: str, t: TensorType, first: int, count: int) -> list[int] | None:
    """Rows of an operand of type `t` that these rows of an op's result need; None: all of them."""
    need = op.operand_rows(name, first, count)
    if need is None or name in op.sources:
        return need
    factor = max(1, op.out.rows[0] // t.rows[0])  # a residual may have fewer
    return sorted({row // factor for row in need})


def follows_rows(op: Op, tensor: str) -> bool:
    """True when every result row needs this tensor's same row only."""
    return op.operand_rows(tensor, 1, 1) == [1]


def _reaches(op: Op) -> bool:
    """True for a filter, which needs rows of the strips around its own."""
    return op.AHEAD and op.source_rows(1, 1) != [1]


def _reach(op: Op) -> int:
    """Rows below its own that a filter needs, 1 for all else."""
    need = op.source_rows(0, 1) if _reaches(op) else None
    height = op.out.grid[0]
    return max((row for row in need if row < height / 2), default=1) if need else 1


def _wraps(op: Op, rows: int) -> bool:
    """True when the first strip also needs the last rows (circular filter)."""
    need = op.source_rows(0, rows)
    return need is not None and bool(need) and need[-1] - need[0] + 1 != len(need)


class _Planner:
    def __init__(self, graph: Graph, strip_tokens: int, lanes: int, spilled: bool) -> None:
        self.graph, self.limit, self.lanes, self.spilled = graph, strip_tokens, lanes, spilled
        self.types = graph.types()
        self.readers: dict[str, list[Op]] = {}
        for op in graph.ops:
            for tensor in op.inputs:
                self.readers.setdefault(tensor, []).append(op)
        self.bands = self._with_constants(self._late(self._bands()))
        self.strips: dict[str, Strips] = {}
        self.pieces: list[Piece] = []

    def grid(self, op: Op) -> tuple[int, int] | None:
        """`result_grid`; what makes or reads windows by rows of them only where features are in
        DDR, as its weights come once more for every row."""
        types = [self.types[t] for t in (*op.sources, *op.outputs())]
        windows = any(t.kind != "image" and len(t.shape) == 3 for t in types)
        return None if windows and not self.spilled else result_grid(op)

    def scale(self, op: Op, grid: tuple[int, int] | None) -> int:
        """Rows of an op's result to a row of `grid`; 0 where it is not made by rows."""
        own = self.grid(op)
        if own is None or grid is None:
            return 0
        ratio = own[0] // grid[0]
        return ratio if own == (ratio * grid[0], ratio * grid[1]) else 0

    def _follows_closely(self, op: Op, tensor: str) -> bool:
        """True when a result row needs rows of a finer grid that belong to it and to the one
        before."""
        scale = op.finer_scale()
        if not scale or self.grid(op) is None or tensor != op.sources[0]:
            return False
        need = op.operand_rows(tensor, 1, 1)
        return need is not None and need[-1] < 2 * scale

    def _bands(self) -> list[list[Op]]:
        """Runs of consecutive ops on one grid, without constants."""
        bands: list[list[Op]] = []
        kept = {op.name: op.sources[0] for op in self.graph.ops if op.LOADED}
        for op in (op for op in self.graph.ops if not loaded(op)):
            band = bands[-1] if bands else []
            grid = self.grid(op)
            made = {t for other in band for t in other.outputs()}
            inside = [t for t in op.inputs if t in made]
            joins = band and grid is not None and self.grid(band[-1]) == grid
            joins = joins and all(follows_rows(op, t) for t in inside)
            if any(kept.get(t) in made for t in op.inputs):
                bands.append([])  # all of it has to be in DDR first
            elif not joins and not any(self._follows_closely(op, t) for t in inside):
                bands.append([])
            bands[-1].append(op)
        return bands

    def _late(self, bands: list[list[Op]]) -> list[list[Op]]:
        """Ops whose only readers follow them row by row in one later band move there."""
        home = {op.name: band for band in bands for op in band}
        for here in reversed(bands):
            for op in here[::-1]:
                readers = [(r, t) for t in op.outputs() for r in self.readers.get(t, [])]
                if not readers or self.graph.output in op.outputs():
                    continue
                if any(loaded(r) for r, _ in readers):
                    continue  # its result is kept in DDR
                after = home[readers[0][0].name]
                same = self.grid(op) is not None and self.grid(op) == self.grid(after[-1])
                inside = after is not here and all(home[r.name] is after for r, _ in readers)
                if same and inside and all(follows_rows(r, t) for r, t in readers):
                    here.remove(op)
                    after.insert(0, op)
                    home[op.name] = after
        return [band for band in bands if band]

    def _with_constants(self, bands: list[list[Op]]) -> list[list[Op]]:
        """Each constant just before the first op that reads it."""
        out: list[list[Op]] = []
        waiting = {t: op for op in self.graph.ops if loaded(op) for t in op.outputs()}
        for band in bands:
            out.append([])
            for op in band:
                out[-1] += [waiting.pop(t) for t in op.inputs if t in waiting]
                out[-1].append(op)
        return out

    def _rows(self, band: list[Op], image: Op | None) -> int:
        """Rows of a strip of this band: a divisor of its height; the height when not split."""
        grid = self.grid(band[-1])
        if grid is None or not self.limit:
            return 0
        height, width = grid
        cells = max(self.scale(op, grid) for op in band if not op.LOADED) ** 2
        if self.spilled:
            cells = max(cells, *(self._tokens_read(op) for op in band))
        out = band[-1].out
        wide = max(1, out.channels // STRIP_CHANNELS)
        if height * width * cells * (wide if self.spilled else 1) <= self.limit:
            return height
        # a filter one strip ahead has then left the rows that its band's result overwrites
        reach = max((_reach(op) for op in band), default=1)
        least = next(rows for rows in range(1, height + 1) if height % rows == 0 and rows >= reach)
        if self.spilled and least == height:
            least = 1  # what is reloaded is not overwritten
        for rows in range(height, 0, -1):
            small = rows * width * cells * wide <= self.limit or rows <= least
            if height % rows == 0 and small and self._whole_words(image, rows):
                return rows
        return height

    def _tokens_read(self, op: Op) -> int:
        """Tokens of a feature operand to one of a result that is made by rows."""
        features = [t for s in op.sources if (t := self.types[s]).kind == "feature"]
        by_rows = self.grid(op) is not None and not op.LOADED
        return max((t.tokens // op.out.tokens for t in features if by_rows), default=1)

    def _whole_words(self, image: Op | None, rows: int) -> bool:
        if image is None:
            return True
        (name,) = self.graph.inputs
        row = prod(self.graph.inputs[name].shape[1:])
        return image.image_in_words(row, rows, self.lanes)

    def _windows(self, tensor: str, band: list[Op], rows: int, count: int) -> Strips:
        """Rows of a reloaded tensor that every strip of a band needs."""
        grid, windows = self.grid(band[-1]), []
        for strip in range(count):
            seen = []
            for op in self.readers[tensor]:
                own = rows * self.scale(op, grid)
                seen.append(seen_rows(op, tensor, self.types[tensor], strip * own, own))
            assert None not in seen, f"{tensor} is read as a whole"  # `spill` does not take it
            low, high = zip(*filter(None, seen), strict=True)
            windows.append((min(low), max(high)))
        most = max(high - low + 1 for low, high in windows)
        return Strips(most, (0,) * count, tuple(low for low, _ in windows))

    def _within(self, tensor: str, band: list[Op], by_rows: bool) -> bool:
        """True when all readers are in this band and need no rows of other strips."""
        found = self.readers.get(tensor, [])
        readers = [r for r in found if not loaded(r)]  # which read it where it was made
        if found and not readers:
            return True
        own = all(any(r is o for o in band) for r in readers)
        rows = not by_rows or all(
            follows_rows(r, tensor) or self._follows_closely(r, tensor) for r in readers
        )
        return bool(found) and own and rows and tensor != self.graph.output

    def run(self) -> Plan:
        (image,) = self.graph.inputs
        pending = image
        self.image = self._image_rows(next(op for op in self.graph.ops if image in op.inputs), None)
        for band in self.bands:
            reader = next((op for op in band if image in op.inputs), None)
            split_image, rows, count = self.strips_of(band)
            if reader is not None and pending and (split_image is None or count == 1):
                self.pieces.append(Piece(image, None))
                pending = ""
            if count == 1:
                self.pieces += [Piece(op.name, None) for op in band]
                continue
            self._band(band, rows, count, image if pending and split_image is not None else None)
            if split_image is not None:
                pending = ""
        bands = tuple(tuple(op.name for op in band) for band in self.bands)
        return Plan(tuple(self._beside()), self.strips, self.image, bands)

    def strips_of(self, band: list[Op]) -> tuple[Op | None, int, int]:
        """Of a band: the reader that takes the image by strips, rows of a strip, strips."""
        (image,) = self.graph.inputs
        reader = next((op for op in band if image in op.inputs), None)
        split = reader if reader is not None and self._within(image, band, False) else None
        if split is not None and self.grid(split) is None:
            split = None
        rows = self._rows(band, split)
        height = (self.grid(band[-1]) or (0, 0))[0]
        return split, rows, height // rows if rows else 1

    def _image_rows(self, reader: Op, part: Part | None) -> ImageRows:
        """The image for one op; part: its first strip."""
        (image,) = self.graph.inputs.values()
        return reader.image_rows(image.shape[0], part.count if part else None, self.lanes)

    def _beside(self) -> list[Piece]:
        """Pieces in order; a cross filter moves to just before the linear layer that adds it.

        While that layer sums over several tiles of weights the lanes have nothing to do; there the
        filter's instructions go. Both run channel word by channel word, the filter first.
        """
        hosts = {}
        for op in self.graph.ops:
            host = self._host(op) if op.runs_beside else None
            if host is not None:
                hosts[host.name] = op.name
        guests = set(hosts.values())
        out: list[Piece | None] = []  # None: moved
        waiting: dict[str, int] = {}  # where the last piece of a filter since its layer's last is
        for piece in self.pieces:
            if piece.store:
                out.append(piece)
                continue
            filter_name = hosts.get(piece.name)
            if filter_name in waiting:
                at = waiting.pop(filter_name)
                guest, out[at] = out[at], None
                assert guest is not None
                out.append(replace(guest, beside=True))
            out.append(piece)
            if piece.name in guests:
                waiting[piece.name] = len(out) - 1
            elif filter_name is not None:
                waiting.pop(filter_name, None)
        return [piece for piece in out if piece is not None]

    def _host(self, op: Op) -> Op | None:
        """The only reader of a filter's result, if it is a linear layer with the same words."""
        readers = self.readers.get(op.name, [])
        if len(readers) != 1 or op.bits is not None or op.name == self.graph.output:
            return None
        (host,) = readers
        same = host.takes_beside and host.feature is not None and host.feature.shape == op.out.shape
        return host if same and op.name not in host.sources else None

    def _band(self, band: list[Op], rows: int, count: int, image: str | None) -> None:
        made = {t for op in band if op.inputs for t in op.outputs()}
        grid = self.grid(band[-1])
        scale = {op.name: 1 if op.LOADED else self.scale(op, grid) for op in band}
        fit = [op for op in band if scale[op.name]]  # else: a constant
        whole = [op for op in band if not any(op is f for f in fit)]
        self.pieces += [Piece(op.name, None) for op in whole]
        ahead = [op for op in fit if _reaches(op) and not made & set(op.inputs)]
        wraps = any(_wraps(op, rows) for op in ahead)
        for op in fit:
            early = any(op is a for a in ahead)
            for tensor in op.outputs():
                if op.LOADED:
                    self.strips[tensor] = self._windows(tensor, band, rows, count)
                elif self._within(tensor, band, True):
                    kept = any(self._follows_closely(r, tensor) for r in self.readers[tensor])
                    slots = _slots(count, loaded(op) or early or kept, early and wraps)
                    self.strips[tensor] = Strips(rows * scale[op.name], tuple(slots))

        def part(op: Op, strip: int) -> Part:
            own = rows * scale[op.name]
            return Part(strip * own, own, strip)

        if image is not None:
            reader = next(op for op in band if image in op.inputs)
            self.image = self._image_rows(reader, part(reader, 0))
            self.strips[image] = Strips(self.image.rows, tuple(_slots(count, True, False)))

        def parts(ops: list[Op], strip: int) -> Iterator[Piece]:
            for op in ops:
                if op.LOADED and self.strips[op.name].same(strip)[0] < strip:
                    continue
                yield Piece(op.name, part(op, strip))
                for tensor in op.outputs():
                    if any(r.LOADED for r in self.readers.get(tensor, [])):
                        yield Piece(tensor, part(op, strip), store=True)

        rest = [op for op in fit if not any(op is a for a in ahead)]
        if wraps:
            self.pieces += parts(ahead, count - 1)
        self.pieces += parts(ahead, 0)
        for strip in range(count):
            if strip + 1 < (count - 1 if wraps else count):
                self.pieces += parts(ahead, strip + 1)
            if image is not None:
                size = self.strips[image].rows
                self.pieces.append(Piece(image, Part(strip * size, size, strip)))
            self.pieces += parts(rest, strip)


def seen_rows(op: Op, tensor: str, t: TensorType, first: int, count: int) -> tuple[int, int] | None:
    """First and last row of a tensor of type `t` that these rows of an op's result need, counted on
    beyond both ends of the grid; None where it cannot work by rows, or needs all."""
    need, (height, _) = rows_read(op, tensor, t, first, count), t.rows
    own = result_grid(op)
    if not need or own is None or len(need) >= height:
        return None
    near = (first + count / 2) * height / own[0]
    around = [row - height * round((row - near) / height) for row in need]
    return min(around), max(around)


def _slots(count: int, early: bool, wraps: bool) -> Iterator[int]:
    """Slot of every strip; early: made or loaded while the strip before is in use."""
    for strip in range(count):
        if wraps:  # the last strip is made first and stays
            yield min(2, count - 1) if strip == count - 1 else strip % 2
        else:
            yield strip % EARLY_SLOTS if early else 0


@dataclass(frozen=True)
class Bands:
    """By op: its band, and rows of its result to one of the band's grid; by band: rows of a strip,
    0 where it runs whole."""

    home: dict[str, int]
    scale: dict[str, int]
    rows: list[int]


def plan_bands(graph: Graph, strip_tokens: int, lanes: int) -> Bands:
    """The bands of `plan` where there are features in DDR."""
    planner = _Planner(graph, strip_tokens, lanes, True)
    home: dict[str, int] = {}
    scale: dict[str, int] = {}
    split: list[int] = []
    for k, band in enumerate(planner.bands):
        grid = planner.grid(band[-1])
        home |= {op.name: k for op in band}
        scale |= {op.name: planner.scale(op, grid) for op in band}
        _, rows, count = planner.strips_of(band)
        split.append(rows if count > 1 else 0)
    return Bands(home, scale, split)


def plan(graph: Graph, strip_tokens: int, lanes: int, spilled: bool = False) -> Plan:
    """Pieces of a graph for strips of at most `strip_tokens` tokens (0: no strips).

    spilled: features may be kept in DDR; then fewer tokens of more than 64 channels count as many,
    also where all of a grid could run at once."""
    return _Planner(graph, strip_tokens, lanes, spilled).run()
