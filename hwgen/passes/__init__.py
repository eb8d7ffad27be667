"""Rewrites of the float graph and its lowering to integers, one per file.

float graph -> float graph of the same function, in this order (`lower.PASSES`):

    move_channels       concatenations, slices, shuffles of channels -> the layers around them
    channel_nodes       nodes of some channels of others, for move_channels
    scale_image         the input becomes the raw uint8 image
    pad_channels        channels up to a multiple of the lanes
    shift_activations   shifts around an RPReLU -> its parameters
    fold_backward       an affine -> the factors of the node before it
    flatten_sums        sums of sums -> one sum
    fold_forward        an affine -> the factors of the nodes behind it
    merge_filters       filters of one value that are added -> one filter
    distribute          an affine behind a sum -> its terms
    sink_unwindow       the way back to the grid -> behind signs
    sink_upsample       upsampled terms of a sum -> their sum, upsampled
    absorb_shifts       an affine -> the signs that read it
    dedup               equal nodes -> one
    split_stem          a padded convolution of the image -> convolutions of few kernel rows
    split_means         a mean over many tokens -> means of squares of them
    order_sums          sums of many terms -> sums of two
    split_scales        8-bit weights: the scale of a channel -> an affine of its own

float graph -> integers:

    limits              shapes that no integer op computes are refused
    calibrate           largest value of every node on images
    fuse                float graph -> chains, one for each integer op
    fracs               binary point of every point of every chain
    fixed               real parameters -> integers and shifts, thresholds
    lower_kinds         kind of a chain's anchor -> integer op
    quantize            chains -> hwgen.ir.Graph
    lower               all of it, in order

integer graph -> integer graph:

    separate_streams    copies where one instruction would read a memory through two streams
"""
