"""Programs of `torch.export` (`.pt2`): graph and weights in one file, none of the user's code.

Read them along the data flow: `archive` (file -> graph and tensors), `program` (graph -> calls),
`network` (calls -> nn.Module, which the tracer records as any other), `aten` (which function of
PyTorch an ATen op is), `batches` (shapes that name a batch), `load` (what `hwgen compile` calls).
"""
