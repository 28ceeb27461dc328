"""Several processes that train one network together.

Started by ``torchrun``, each process takes its share of every batch; gradients are added up and
running statistics averaged, so that all hold the same network at every step.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from madelung.common.errors import TrainingError

__all__ = ["Processes", "usable_device"]


def usable_device(name: str) -> torch.device:
    """Return a PyTorch device by its name.

    Raises
    ------
    TrainingError
        If there is no such device, or it cannot be used on this machine.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    # PyTorch raises one or the other, with many lines, where it was built without the device.
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        reason = str(problem).strip().split("\n")[0]
        raise TrainingError(
            f"device {name!r} cannot be used ({reason}); name another, such as cpu or cuda"
        ) from None
    return device


class Processes:
    """This process among those that train together; alone if torchrun did not start it.

    Parameters
    ----------
    device
        Name of the PyTorch device. Of several processes on ``cuda`` each takes the GPU of its
        number on its machine. Processes on CPUs talk by gloo, those on GPUs by NCCL.
    """

    def __init__(self, device: str) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.device = usable_device(device)
        on_gpu = self.device.type == "cuda"
        if on_gpu and self.device.index is None:
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        if on_gpu:
            torch.cuda.set_device(self.device)
        if self.count > 1:
            torch.distributed.init_process_group("nccl" if on_gpu else "gloo")

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    def share(self, items: Any) -> Any:
        """Return the items that this process takes."""
        return items[self.rank :: self.count]

    def add(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.count > 1:
            values = values.to(self.device)
            torch.distributed.all_reduce(values)
        return values

    def add_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its sum over all processes."""
        if self.count > 1:
            gradients = [
                torch.zeros_like(weight) if weight.grad is None else weight.grad
                for weight in network.parameters()
            ]
            together = torch.cat([gradient.flatten() for gradient in gradients])
            torch.distributed.all_reduce(together)
            _scatter(together, network.parameters(), "grad")

    def average_statistics(self, network: nn.Module) -> None:
        """Replace running statistics by their mean over all processes."""
        if self.count > 1:
            buffers = [value for value in network.buffers() if value.is_floating_point()]
            together = torch.cat([value.flatten() for value in buffers])
            torch.distributed.all_reduce(together)
            _scatter(together / self.count, buffers, "data")

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any process."""
        return flag if self.count == 1 else bool(self.add(torch.tensor(float(flag))).item() > 0.0)

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            torch.distributed.barrier()

    def close(self) -> None:
        """Part from the others."""
        if self.count > 1:
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()


def _scatter(together: Tensor, tensors: Iterable[Tensor], attribute: str) -> None:
    start = 0
    for tensor in tensors:
        part = together[start : start + tensor.numel()].view_as(tensor)
        setattr(tensor, attribute, part.clone())
        start += tensor.numel()
