"""Two processes that average their gradients take the step that one takes on all rows."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from train.gradient_averaging import average_over_processes

ROWS = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0], [-2.0, 1.0]])


def step(rows: torch.Tensor, side: bool) -> list[torch.Tensor]:
    """The weights after one step on `rows`; the second parameter has a part in the loss only if `side`."""
    main, other = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([main, other], lr=0.1)
    average_over_processes(optimizer)
    loss = (rows @ main).pow(2).mean() + (other.sum() if side else 0.0)
    loss.backward()
    optimizer.step()
    return [main.detach(), other.detach()]


def work(rank: int, folder: str) -> None:
    """Process `rank` of two, which sees every second row."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(step(ROWS[rank::2], side=rank == 0), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_take_the_step_of_one(tmp_path):
    mp.spawn(work, (str(tmp_path),), nprocs=2)
    alone = step(ROWS, side=False)[0]
    for rank in (0, 1):
        main, other = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(main, alone)
        torch.testing.assert_close(other, torch.full((3,), 1 - 0.1 * 0.5))  # one of two had a part


def test_one_process_takes_its_own_step():
    assert not dist.is_initialized()
    assert step(ROWS, side=True)[1].tolist() == pytest.approx([0.9] * 3)
