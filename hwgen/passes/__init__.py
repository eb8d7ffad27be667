"""Rewrites of the float graph and its lowering to integers, one per file.

scale_image, fold_backward, flatten_sums, fold_forward, merge_filters, sink_unwindow,
absorb_shifts, dedup, order_sums       float graph -> float graph of the same function
calibrate                              largest value of every node on images
fuse                                   float graph -> chains, one for each integer op
fracs                                  binary point of every point of every chain
quantize                               chains -> hwgen.ir.Graph
lower                                  all of it, in order
"""
