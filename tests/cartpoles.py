"""The cart-pole as its configuration file has it, with some settings changed."""

from __future__ import annotations

from typing import Any

import yaml

from lqrpg.plugins import config_folders
from lqrpg.systems.cartpole import CartPole


def cartpole(**options: Any) -> CartPole:
    content = yaml.safe_load((config_folders()[0] / "system" / "cartpole.yaml").read_text())
    return CartPole(**{**content, **options})


START_GAIN = cartpole().initial_gain()
