"""Data-parallel training of a model whose loss does not go through its `forward`.

PyTorch's DistributedDataParallel averages gradients only where a loss is computed from what its own `forward`
returned. Here each process of the run computes a loss as it likes, and the gradients are averaged just before
the optimizer uses them.
"""

import torch
import torch.distributed as dist


def average_over_processes(optimizer: torch.optim.Optimizer) -> None:
    """From now on let each step of `optimizer` use the mean of all processes' gradients; in a run of one
    process nothing changes."""
    if dist.is_initialized():
        optimizer.register_step_pre_hook(lambda each, *_: _average(each))


def _average(optimizer: torch.optim.Optimizer) -> None:
    """Replace the gradients by their means; a parameter that had no part in a process's loss counts as zero
    there."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for parameter, mean in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = mean.view_as(parameter)
