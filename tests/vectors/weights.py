"""Deterministic random checkpoints for BHViT and BinaryViT in the key/shape format of the released models.

    python weights.py --arch bhvit_nano --seed 1 --out bhvit_nano_1.pt      # torch.load(..., weights_only=True)
    sd = weights.state_dict('bhvit_nano', 1)                                # OrderedDict of torch tensors

Only `Generator.random()` of numpy's PCG64 plus exact (IEEE basic) arithmetic is used, with one stream per key, so
the values do not depend on the numpy version or on the order in which keys are generated.
BatchNorm running statistics, the attention steps and a few adjusted shift vectors come from `bn_{arch}_{seed}.npz`
next to this file when it exists (see `install_stats`, README.md); otherwise running_mean = 0, running_var = 1 and the
values drawn here stay, which is legal but not a natural network.
This file knows names, shapes and value distributions only; it contains no model.
"""

import argparse
import collections
import hashlib
import math
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
CHANNELS = (64, 128, 256, 512)
GRIDS = (56, 28, 14, 7)
EXPANSION = (8, 8, 4, 4)
_SIZES = {"nano": ((1, 1, 1, 1), 10), "tiny": ((2, 2, 6, 2), 1000), "small": ((3, 4, 8, 4), 1000)}
# name -> (family, blocks per stage, classes, full-precision downsampling)
ARCHS = {
    f"{fam}_{size}{suffix}": (fam, *_SIZES[size], suffix == "_fp")
    for fam, sizes in (("bhvit", ("nano", "tiny", "small")), ("binaryvit", ("nano", "small")))
    for size in sizes
    for suffix in ("", "_fp")
    if (fam, size, suffix) != ("binaryvit", "nano", "_fp")
}


# ---------------------------------------------------------------------------------------------- names and shapes
def layout(arch):
    """OrderedDict key -> shape, in checkpoint order."""
    family, depths, classes, fp_down = ARCHS[arch]
    out = collections.OrderedDict()

    def add(prefix, *leaves):
        for leaf, *shape in leaves:
            out[f"{prefix}.{leaf}"] = tuple(shape)

    def bn(prefix, n):
        add(
            prefix,
            ("weight", n),
            ("bias", n),
            ("running_mean", n),
            ("running_var", n),
            ("num_batches_tracked",),
        )

    def rprelu(prefix, n):
        add(prefix, ("move1", n), ("move2", n), ("prelu.weight", n))

    def layerscale(prefix, n):
        add(prefix, ("alpha", n), ("move", n))

    def mixer(g, c):
        add(g, ("move.bias", 1, c, 1, 1))
        for n in (1, 2, 3):
            add(g, (f"cov{n}.weight", c, c // 4, 3, 3), (f"cov{n}.bias", c))
        bn(f"{g}.norm", c)
        for n in (1, 2, 3):
            rprelu(f"{g}.act{n}", c)

    def attention(a, c, reduced):
        bhvit = family == "bhvit"
        add(
            a,
            *((f"move{x}", c) for x in ("qkvr" if reduced else "qkv")),
            *((f"move{x}2", c) for x in "qkv"),
        )
        if bhvit:
            add(
                a,
                ("parm", 1, c, 1, 1),
                ("token_FA.a1", 1, 1, c),
                ("token_FA.norm.weight", c),
                ("token_FA.norm.bias", c),
            )
        else:
            add(a, ("att_prob_clip",))
        add(a, *((f"{x}.weight", c, c) for x in ("query", "key", "value")))
        if reduced:
            add(a, ("reduction.weight", c, c))
            bn(f"{a}.norm_r", c)
            rprelu(f"{a}.rprelur", c)
        for x in "qkv":
            bn(f"{a}.norm{x}", c)
        for x in "qkv":
            rprelu(f"{a}.rprelu{x}", c)
        if bhvit:
            q = f"{a}.att_prob_quantizer"
            add(q, ("alpha", c // 64), ("zero_point", c // 64), ("init_state", 1))
        bn(f"{a}.norm_context", c)
        rprelu(f"{a}.rprelu_context", c)

    def projection(o, c_in, c_out):
        add(o, ("move", c_in), ("dense.weight", c_out, c_in))
        bn(f"{o}.norm", c_out)
        rprelu(f"{o}.rprelu", c_out)

    def block(b, stage):
        c, hidden = CHANNELS[stage], CHANNELS[stage] * EXPANSION[stage]
        if family == "bhvit" and stage < 2:
            mixer(f"{b}.GC", c)
        else:
            attention(f"{b}.attention.attention", c, reduced=family == "binaryvit" and stage < 2)
            projection(f"{b}.attention.output", c, c)
            layerscale(f"{b}.attention.output.layerscale", c)
        projection(f"{b}.intermediate", c, hidden)
        projection(f"{b}.output", hidden, c)
        layerscale(f"{b}.output.layerscale", c)
        bn(f"{b}.layernorm_before", c)
        bn(f"{b}.layernorm_after", c)
        for n in (5, 3):
            for x in ("w", "h", "ch") if family == "bhvit" else ("w", "h"):
                layerscale(f"{b}.layerscale_{x}{n}", c)

    e = "vit.embeddings"
    if family == "bhvit":
        add(
            e,
            ("position_embeddings", 1, 64, 56, 56),
            ("patch_embeddings.proj.weight", 64, 3, 4, 4),
            ("patch_embeddings.proj.bias", 64),
        )
        bn(f"{e}.patch_embeddings.norm", 64)
    else:
        add(
            e,
            ("position_embeddings", 1, 3136, 64),
            ("patch_embeddings.projection.weight", 64, 3, 4, 4),
            ("patch_embeddings.projection.bias", 64),
        )
        bn(f"{e}.norm", 64)
    count = collections.Counter()
    for stage, depth in enumerate(depths):
        name = "layer" if family == "binaryvit" else "layerA" if stage < 2 else "layerB"
        for _ in range(depth):
            block(f"vit.encoder.{name}.{count[name]}", stage)
            count[name] += 1
    for k in (1, 2, 3):
        d, c = f"vit.encoder.patch_embed{k}", CHANNELS[k - 1]
        if not fp_down:
            add(d, ("move", 1, c, 1, 1))
        add(d, ("position_embeddings", 1, GRIDS[k] ** 2, 2 * c))
        bn(f"{d}.norm0", c)
        add(d, ("proj.weight", 2 * c, c, 2, 2))
        bn(f"{d}.norm", 2 * c)
        if not fp_down:
            rprelu(f"{d}.rprelu", 2 * c)
    bn("vit.layernorm", 512)
    add("classifier", ("weight", classes, 512), ("bias", classes))
    return out


def stat_keys(arch):
    """keys whose values are always stored in bn_{arch}_{seed}.npz (it may hold some `move` vectors as well)"""
    ends = (
        ".running_mean",
        ".running_var",
        ".att_prob_quantizer.alpha",
        ".att_prob_quantizer.zero_point",
        ".att_prob_clip",
    )
    return [k for k in layout(arch) if k.endswith(ends)]


# ------------------------------------------------------------------------------------------------ random streams
def stream(arch, seed, key):
    """independent generator for one key; use only its .random()"""
    words = np.frombuffer(hashlib.sha256(f"{arch}/{key}".encode()).digest(), dtype="<u4")
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence([int(seed), *(int(w) for w in words)]))
    )


def uniform(rng, shape, low=0.0, high=1.0):
    return rng.random(shape) * (high - low) + low


def normal(rng, shape, std=1.0, mean=0.0):
    """sum of four uniforms: near-normal, bounded by 3.47 std, additions only"""
    u = rng.random((4,) + tuple(shape))
    return (u[0] + u[1] + u[2] + u[3] - 2.0) * (math.sqrt(3.0) * std) + mean


def flip(rng, x, probability):
    return np.where(rng.random(x.shape) < probability, -x, x)


def binary_weight(rng, shape):
    """latent weight of a binarised layer: per-row gain and per-row offset (so that centring flips about one sign in
    eleven); no element lies within 0.3 % of full range of its row mean, so any precision gives the same signs"""
    rows, fan, full = shape[0], int(np.prod(shape[1:])), 1 << 20
    k = np.floor(rng.random((rows, fan)) * (2 * full)).astype(np.int64) - full
    gap = full >> 8
    distance = k * fan - k.sum(1, keepdims=True)  # exact integers
    k = np.where(np.abs(distance) < gap * fan, k + np.where(distance < 0, -2 * gap, 2 * gap), k)
    distance = np.abs(k * fan - k.sum(1, keepdims=True))
    assert distance.min() > 0.75 * gap * fan
    gain, offset = uniform(rng, (rows, 1), 0.5, 2.0), normal(rng, (rows, 1), 0.25)
    w = (k * (1.0 / full) * gain + offset) * (1.0 / math.sqrt(fan))
    return w.reshape(shape)


def value(arch, seed, key, shape, keys):
    """float64 array for one key"""
    family, _, _, fp_down = ARCHS[arch]
    rng = stream(arch, seed, key)
    parent, leaf = key.rsplit(".", 1)
    layer = parent.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.array(100000, dtype=np.int64)
    if leaf == "running_mean":
        return np.zeros(shape)
    if leaf in ("running_var", "init_state"):
        return np.ones(shape)
    if f"{parent}.running_mean" in keys:  # BatchNorm
        return (
            flip(rng, uniform(rng, shape, 0.5, 1.5), 0.1)
            if leaf == "weight"
            else normal(rng, shape, 0.2)
        )
    if parent.endswith("token_FA.norm"):  # LayerNorm
        return uniform(rng, shape, 0.5, 1.5) if leaf == "weight" else normal(rng, shape, 0.2)
    if layer == "prelu":
        return normal(rng, shape, 0.2, 0.25)
    if leaf in ("move1", "move2"):
        return normal(rng, shape, 0.3)
    if layer.startswith("layerscale"):
        if leaf == "move":
            return normal(rng, shape, 0.05)
        low, high = (0.1, 0.5) if layer == "layerscale" else (0.03, 0.25)
        return flip(rng, uniform(rng, shape, low, high), 0.3)
    if layer == "att_prob_quantizer":
        # a softmax row over T keys has mean 1/T, so the usual initial step 2*mean(3A)/sqrt(3) is known in advance
        tokens = 53 if shape[0] == 4 else 50
        return (
            uniform(rng, shape, 0.6, 1.5) * (6.0 / math.sqrt(3.0) / tokens)
            if leaf == "alpha"
            else uniform(rng, shape, -0.4, 0.6)
        )
    if leaf == "att_prob_clip":
        key_tokens = 196 if keys[f"{parent}.query.weight"][0] == 256 else 49
        return uniform(rng, shape, 1.2, 2.0) * (1.0 / key_tokens)
    if leaf == "position_embeddings":
        return normal(rng, shape, 0.2)
    if leaf in ("parm", "a1"):
        return uniform(rng, shape, 0.15, 0.85)
    if layer == "move" or leaf.startswith("move"):  # shift before a sign
        return normal(rng, shape, 0.25)
    if leaf == "bias":  # mixer convs, stem, classifier
        return normal(rng, shape, 0.1 if "embeddings" in key else 0.2)
    assert leaf == "weight", key
    full_precision = (
        layer in ("classifier",) or "patch_embeddings" in key or ("patch_embed" in key and fp_down)
    )
    if full_precision:
        return normal(rng, shape, 1.0 / math.sqrt(int(np.prod(shape[1:]))))
    return binary_weight(rng, shape)


# ------------------------------------------------------------------------------------------------------ assembly
def arrays(arch, seed):
    """OrderedDict key -> numpy array (float32, or int64 for counters), before any stored statistics"""
    keys = layout(arch)
    out = collections.OrderedDict()
    for key, shape in keys.items():
        v = value(arch, seed, key, shape, keys)
        out[key] = v if v.dtype == np.int64 else np.asarray(v, dtype=np.float32)
    return out


def stats_path(arch, seed, folder=HERE):
    return os.path.join(folder, f"bn_{arch}_{seed}.npz")


def load_stats(arch, seed, folder=HERE):
    """{key: float32 array} from bn_{arch}_{seed}.npz, or None"""
    path = stats_path(arch, seed, folder)
    if not os.path.exists(path):
        return None
    with np.load(path) as z:
        return {k: z[k] for k in z.files}


def install_stats(sd, stats):
    """overwrite values (running statistics, attention steps, ...) in a dict of numpy arrays or torch tensors; returns it"""
    for key, v in stats.items():
        if key not in sd or tuple(sd[key].shape) != tuple(v.shape):
            raise KeyError(f"statistics do not fit this checkpoint: {key}")
        old = sd[key]
        sd[key] = v.astype(np.float32) if isinstance(old, np.ndarray) else old.new_tensor(v)
    return sd


def state_dict(arch, seed, stats="auto"):
    """OrderedDict of torch tensors. stats: 'auto' = file next to this module if present, None = none, or a dict"""
    import torch

    sd = arrays(arch, seed)
    if isinstance(stats, str):
        stats = load_stats(arch, seed)
        if stats is None:
            print(
                f"weights.py: no bn_{arch}_{seed}.npz, using running_mean 0 and running_var 1",
                file=sys.stderr,
            )
    if stats:
        install_stats(sd, stats)
    return collections.OrderedDict((k, torch.from_numpy(np.array(v))) for k, v in sd.items())


def digest(sd):
    """sha256 over keys and raw values of a dict of numpy arrays or torch tensors, in order"""
    h = hashlib.sha256()
    for key, v in sd.items():
        h.update(key.encode() + b"\0" + np.ascontiguousarray(np.asarray(v)).tobytes())
    return h.hexdigest()


# -------------------------------------------------------------------------------------------------------- images
def image(seed, size=224):
    """random smooth colour field with some noise, uint8 (H, W, 3)"""

    def up(a):
        n = a.shape[0]
        pos = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        i = np.minimum(pos.astype(np.int64), n - 2)
        f = pos - i
        rows = a[i] * (1 - f)[:, None] + a[i + 1] * f[:, None]
        return rows[:, i] * (1 - f) + rows[:, i + 1] * f

    planes = []
    for c in range(3):
        rng = stream("image", seed, f"plane{c}")
        x = (
            up(normal(rng, (7, 7)))
            + 0.6 * up(normal(rng, (28, 28)))
            + 0.4 * normal(rng, (size, size))
        )
        planes.append(np.clip(np.floor(x * 56.0 + 120.5), 0, 255).astype(np.uint8))
    return np.stack(planes, axis=-1)


def main():
    ap = argparse.ArgumentParser(description="write a deterministic random checkpoint")
    ap.add_argument("--arch", required=True, choices=sorted(ARCHS))
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--out", required=True, help=".pt file to write")
    a = ap.parse_args()
    import torch

    torch.save(state_dict(a.arch, a.seed), a.out)


if __name__ == "__main__":
    main()
