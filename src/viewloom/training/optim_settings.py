"""Settings of a head's optimiser, and of how its learning rate falls."""

from dataclasses import dataclass
from typing import Literal, get_args

from viewloom.errors import ConfigError, listed
from viewloom.identity import added
from viewloom.ranges import Settings, ranged

Schedule = Literal["step", "plateau", "cosine"]


@dataclass(frozen=True, kw_only=True)
class OptimConfig(Settings, called="optim"):
    """Optimiser of the head: Adam."""

    lr: float = ranged(1e-3, above=0, at_most=1000)
    """Learning rate at the start."""
    weight_decay: float = ranged(1e-4, at_least=0)
    """Weight decay (added to the gradient, as Adam does)."""
    lr_step_epochs: int | None = ranged(None, at_least=1)
    """Epochs between two reductions of the learning rate; None takes 40 % of the epochs, and 40 at least."""
    lr_factor: float = ranged(0.5, above=0, at_most=1)
    """Factor of each reduction."""
    lr_schedule: Literal["step", "plateau", "cosine"] = added("step")
    """When the learning rate is reduced: step (every lr_step_epochs), plateau (where the training loss has not fallen,
    as ASFormer does), or cosine (from lr to lr_least along half a cosine, as LTContext does)."""
    lr_patience_epochs: int = added(3, at_least=0)
    """With lr_schedule=plateau: epochs without a lower training loss that are borne; the next one reduces."""
    lr_hold_epochs: int = added(0, at_least=0)
    """With lr_schedule=cosine: epochs at lr before it falls."""
    lr_cosine_epochs: int | None = added(None, at_least=1)
    """With lr_schedule=cosine: epoch at which lr_least is reached, which may lie behind the last; default: the last."""
    lr_least: float = added(0.0, at_least=0, at_most=1000)
    """With lr_schedule=cosine: learning rate at the end."""

    def __post_init__(self) -> None:
        if self.lr_schedule not in get_args(Schedule):
            raise ConfigError(
                f"--optim.lr_schedule can be {listed(get_args(Schedule))}, but is {self.lr_schedule!r}. Choose one."
            )
        if self.lr_cosine_epochs is not None and not self.lr_cosine_epochs > self.lr_hold_epochs:
            raise ConfigError(
                f"--optim.lr_cosine_epochs must lie behind the {self.lr_hold_epochs} epochs of lr_hold_epochs, but is "
                f"{self.lr_cosine_epochs}."
            )
