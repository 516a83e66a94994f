"""Numbers in blocks: how a block is held, how one form becomes another, and the kernels that multiply and add them."""
