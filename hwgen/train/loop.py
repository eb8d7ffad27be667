"""The training loop: one process on CPU or GPU, or several under torchrun."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn

from hwgen import zoo
from hwgen.errors import HwgenError
from hwgen.frontend.packed import packed, unpacked
from hwgen.train.capture import CapturedStep
from hwgen.train.data import load_data, normalise, photograph_crops
from hwgen.train.files import load_state, save_calibration, save_manifest, save_state, save_torch
from hwgen.train.loss import beta_at, binary_parameters, total_loss
from hwgen.train.order import Images, training_batches
from hwgen.train.recipe import Recipe, load_recipe
from hwgen.train.teacher import TEACHERS, load_torchscript

FORMAT = 1
STATE_FOLDER = Path("out/train")


@dataclass(frozen=True)
class TrainResult:
    """What a run produced; `accuracy` is top-1 on the held-out images, in 0..1."""

    checkpoint: Path
    sha256: str
    accuracy: float
    correct: int
    held_out: int
    epochs: int


@dataclass(frozen=True)
class Processes:
    """This process among those of torchrun (rank 0 of 1 without it)."""

    rank: int
    world: int
    device: torch.device

    @property
    def captures(self) -> bool:
        """Whether training steps are captured as a CUDA graph: one process, on a GPU."""
        return self.world == 1 and self.device.type == "cuda"

    @classmethod
    def start(cls, device: str) -> Processes:
        world = int(os.environ.get("WORLD_SIZE", "1"))
        rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
        cuda = torch.cuda.is_available()
        if device not in ("auto", "cpu", "cuda") or (device == "cuda" and not cuda):
            known = "auto, cpu or cuda" if cuda else "auto or cpu"
            raise HwgenError("--device", device, "is not here", f"use {known}")
        device = f"cuda:{local}" if cuda and device != "cpu" else "cpu"
        if device != "cpu":  # TF32 holds signs exactly; a row's scale is rounded as a whole
            torch.set_float32_matmul_precision("high")
        if world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return cls(rank, world, torch.device(device))


def cosine_lr(epoch: int, epochs: int, lr: float, min_lr: float) -> float:
    """min_lr + (lr - min_lr) (1 + cos(pi epoch / epochs)) / 2, epochs from 0."""
    return min_lr + 0.5 * (lr - min_lr) * (1.0 + math.cos(math.pi * epoch / epochs))


@torch.no_grad()
def evaluate(
    model: nn.Module,
    data: Images,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    batch: int = 250,
) -> int:
    """Number of correct top-1 decisions on all images, in eval mode, on the model's device."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    correct = 0
    for start in range(0, len(data), batch):
        indices = torch.arange(start, min(start + batch, len(data)))
        images, labels = data.batch(indices, None)
        logits = model(normalise(images.to(device), mean, std))
        correct += int((logits.argmax(-1) == labels.to(device)).sum())
    model.train(was_training)
    return correct


def train(
    recipe_path: str | Path,
    *,
    output: str | Path | None = None,
    data_root: str | None = None,
    epochs: int | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    device: str = "auto",
    progress: bool = True,
    state_folder: str | Path = STATE_FOLDER,
) -> TrainResult | None:
    """Train a recipe and write checkpoint, manifest and calibration images.

    `output` replaces the recipe's checkpoint path, `data_root` the data folder, `epochs` the number
    of epochs. After every optim.save_every epochs the state is written to
    state_folder/<stem>.state.pt; `resume` goes on from it, with the same result as an
    uninterrupted run. `stop_after` ends the run after that many epochs in all and returns None.
    Under torchrun every process calls it; rank 0 writes.
    Raises: HwgenError for a wrong recipe, missing data or a state of another recipe.
    """
    replace: dict[str, Any] = {}
    if output is not None:
        replace["output.checkpoint"] = str(output)
    if data_root is not None:
        replace["data.root"] = data_root
    if epochs is not None:
        replace["optim.epochs"] = epochs
    recipe = load_recipe(recipe_path, **replace)
    processes = Processes.start(device)
    try:
        run = _Run(recipe, processes, Path(state_folder), progress)
        last = run.fit(resume, stop_after)
        if last < recipe.optim.epochs:
            return None
        return run.finish(str(recipe_path))
    finally:
        if processes.world > 1:
            dist.destroy_process_group()


class _Run:
    """Everything of one training run."""

    def __init__(self, recipe: Recipe, processes: Processes, folder: Path, bar: bool) -> None:
        self.recipe, self.processes = recipe, processes
        self.plain = recipe.model_dump(mode="json")
        self.checkpoint = Path(recipe.output.checkpoint)
        self.state_path = folder / f"{self.checkpoint.stem}.state.pt"
        torch.manual_seed(recipe.seed)
        self.model = zoo.create(recipe.model.name, **recipe.model.overrides)
        train_data, test_data = load_data(recipe.data, self.model.config.image_size)
        self.train_data, self.test_data = (
            data.to(processes.device) for data in (train_data, test_data)
        )
        self.model.to(processes.device)
        self.weights = binary_parameters(self.model)
        self.teacher: nn.Module | None = None
        self.captured: CapturedStep | None = None
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            recipe.optim.lr,
            weight_decay=recipe.optim.weight_decay,
            fused=processes.device.type == "cuda",
        )
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            disable=not bar or processes.rank != 0,
        )

    def normalised(self, images: Tensor) -> Tensor:
        data = self.recipe.data
        return normalise(images.to(self.processes.device), data.mean, data.std)

    def fit(self, resume: bool, stop_after: int | None) -> int:
        """Train to the end or to `stop_after` epochs in all. Returns the epochs done."""
        first, teacher_state = 0, None
        if resume:
            state = load_state(self.state_path, self.plain)
            first, teacher_state = state["epoch"], state["teacher"]
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        last = min(self.recipe.optim.epochs, stop_after or self.recipe.optim.epochs)
        with self.bar:
            self.teacher = self._make_teacher(teacher_state)
            network = self._distributed(first)
            task = self.bar.add_task(
                self.recipe.model.name, total=self.recipe.optim.epochs, completed=first, note=""
            )
            for epoch in range(first, last):
                loss = self._epoch(network, epoch)
                due = (epoch + 1) % self.recipe.optim.save_every == 0 or epoch + 1 == last
                if due and self.processes.rank == 0:
                    self._save(epoch + 1)
                note = f"loss {loss:.3f}"
                every = self.recipe.optim.eval_every
                if every and (epoch + 1) % every == 0 and self.processes.rank == 0:
                    note += f", held out {self._correct(self.model)}/{len(self.test_data)}"
                self.bar.update(task, advance=1, note=note)
        return max(first, last)

    def _distributed(self, first: int) -> nn.Module:
        """The network to call in training. DDP copies rank 0's values when it is built, so the
        attention steps, which start from the first batch, are set before."""
        if self.processes.world == 1:
            return self.model
        if first == 0:
            data, optim = self.train_data, self.recipe.optim
            images, _ = data.batch(torch.arange(min(optim.batch, len(data))), None)
            with torch.no_grad():
                self.model.train()(self.normalised(images))
        ids = [self.processes.device.index] if self.processes.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(self.model, device_ids=ids)

    def _make_teacher(self, state: dict[str, Tensor] | None) -> nn.Module | None:
        section = self.recipe.teacher
        if section.kind == "none" or not self.recipe.loss.distillation:
            return None
        if section.kind == "torchscript":
            return load_torchscript(section.path).to(self.processes.device)
        config = self.model.config
        torch.manual_seed(self.recipe.seed + 1)
        kind = TEACHERS[section.kind]
        teacher = kind(config.classes, config.image_size).to(self.processes.device)
        if state is not None:
            teacher.load_state_dict(state)
            return teacher.eval()
        task = self.bar.add_task("teacher", total=section.epochs, note="")
        optimizer = torch.optim.AdamW(teacher.parameters(), section.lr)
        for epoch in range(section.epochs):
            self._set_lr(optimizer, cosine_lr(epoch, section.epochs, section.lr, 0.0))
            batches = training_batches(
                self.train_data, self.recipe.optim.batch, self.recipe.seed + 1, epoch
            )
            for images, labels in batches:
                logits = teacher.train()(self.normalised(images))
                loss = nn.functional.cross_entropy(logits, labels.to(logits.device))
                self._step(optimizer, loss)
            self.bar.update(task, advance=1, note=f"loss {loss.item():.3f}")
        correct, held_out = self._correct(teacher), len(self.test_data)
        self.bar.update(task, note=f"held out {correct}/{held_out}")
        return teacher.eval()

    def _epoch(self, network: nn.Module, epoch: int) -> float:
        recipe, optim = self.recipe, self.recipe.optim
        self._set_lr(self.optimizer, cosine_lr(epoch, optim.epochs, optim.lr, optim.min_lr))
        beta = beta_at(epoch, optim.epochs, recipe.loss.regulariser, recipe.loss.regulariser_from)
        network.train()
        total, count = torch.zeros((), device=self.processes.device), 0
        batches = training_batches(
            self.train_data,
            optim.batch,
            recipe.seed,
            epoch,
            self.processes.rank,
            self.processes.world,
        )

        def gradients(x: Tensor, y: Tensor) -> Tensor:
            with torch.no_grad():
                target = self.teacher(x) if self.teacher is not None else None
            loss = total_loss(network(x), y, target, self.weights, recipe.loss.distillation, beta)
            loss.backward()
            return loss.detach()

        if self.captured is not None and self.captured.beta != beta:
            self.captured = None  # its memory, before the next one takes as much
        for images, labels in batches:
            x, y = self.normalised(images), labels.to(self.processes.device)
            if self.processes.captures and self.captured is None and len(y) == optim.batch:
                self.captured = CapturedStep(gradients, self.optimizer, x, y, beta)
            if self.captured is not None and len(y) == optim.batch:
                loss = self.captured(x, y)
            else:
                self.optimizer.zero_grad(set_to_none=True)
                loss = gradients(x, y)
            self.optimizer.step()
            total, count = total + loss, count + 1
        return float(total) / count

    @staticmethod
    def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    @staticmethod
    def _set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = lr

    def _save(self, epoch: int) -> None:
        keep = self.recipe.teacher.kind in TEACHERS and self.teacher is not None
        save_state(
            self.state_path,
            self.plain,
            epoch=epoch,
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            teacher=self.teacher.state_dict() if keep and self.teacher else None,
        )

    def _correct(self, model: nn.Module) -> int:
        data = self.recipe.data
        return evaluate(model, self.test_data, data.mean, data.std)

    def finish(self, recipe_path: str) -> TrainResult:
        """Evaluate what is written: checkpoint, calibration images and manifest (rank 0)."""
        recipe, data = self.recipe, self.recipe.data
        state = {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}
        if recipe.output.packed:
            state = packed(self.model)
            self.model.load_state_dict(unpacked(state, self.checkpoint))
        correct, held_out = self._correct(self.model), len(self.test_data)
        meta = {
            "format": FORMAT,
            "network": recipe.model.name,
            "config": self.model.config.to_dict(),
            "mean": list(data.mean),
            "std": list(data.std),
            "class_names": list(self.train_data.classes),
            "dataset": data.name,
            "split_seed": data.seed,
        }
        sha256 = ""
        if self.processes.rank == 0:
            sha256 = save_torch(self.checkpoint, {"model": state, "hwgen": meta})
            self._write_companions(meta, sha256, correct, recipe_path)
        return TrainResult(
            self.checkpoint, sha256, correct / held_out, correct, held_out, recipe.optim.epochs
        )

    def _write_companions(
        self, meta: dict[str, Any], sha256: str, correct: int, recipe_path: str
    ) -> None:
        stem = self.checkpoint.with_suffix("")
        path, number = Path(f"{stem}.calib.npz"), self.recipe.output.calibration_images
        if number and self.recipe.output.calibration == "photographs":
            save_calibration(path, photograph_crops(number, self.model.config.image_size))
        elif number:
            last = len(self.train_data) - 1
            indices = torch.linspace(0, last, min(number, last + 1)).round().long()
            images, labels = (part.cpu().numpy() for part in self.train_data.batch(indices, None))
            save_calibration(path, images, labels)
        manifest = {
            "file": self.checkpoint.name,
            "sha256": sha256,
            "network": meta["network"],
            "config": meta["config"],
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "binary_weights": sum(w.numel() for w in self.weights),
            "data": {
                "name": meta["dataset"],
                "split_seed": meta["split_seed"],
                "train_images": len(self.train_data),
                "held_out_images": len(self.test_data),
                "mean": meta["mean"],
                "std": meta["std"],
            },
            "held_out_correct": correct,
            "held_out_accuracy": round(correct / len(self.test_data), 6),
            "epochs": self.recipe.optim.epochs,
            "seed": self.recipe.seed,
            "command": f"hwgen train {recipe_path}",
        }
        save_manifest(Path(f"{stem}.json"), manifest)
