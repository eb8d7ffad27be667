"""Checkpoint -> network -> traced float graph.

    checkpoint        a file -> the network of the zoo that it holds
    trace             nn.Module -> float graph, by
    keep              the network in double precision, and as it was afterwards
    record            torch.fx graph of what depends on the image, with values of an example
    straight_through  what is written for gradients -> what it computes
    means             a mean over one side after the other -> over both
    signs             what computes a sign -> a sign
    importer          every node that the output needs -> nodes of the float graph, by a handler
    stand_ins         what goes on where there is none, so that all reasons are found
    handlers          which handler, or why there is none
    agreement         the float graph and the network on random images

Handlers: `layers`, `convolutions`, `pooling`, `functions`, `sign_nodes`; axes of tensors: `views`.
"""
