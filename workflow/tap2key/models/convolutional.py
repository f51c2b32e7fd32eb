"""A plain 1-D convolutional network: what a small network without pretraining or attention does."""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

WIDTHS = (64, 128, 128, 256)
KERNEL = 9
# Normalised within each window: over a batch, the result would depend on how many processes and
# steps of accumulation share one.
GROUPS = 8


class ConvolutionalConfig(PreTrainedConfig):
    """The network's shape: the period of its interleaved input and, inherited, the labels."""

    model_type = "tap2key-convolutional"

    def __init__(self, channels: int = 8, **kwargs: Any) -> None:
        """`channels` alternate in the input."""
        super().__init__(**kwargs)
        self.channels = channels


class ConvolutionalClassifier(PreTrainedModel):
    """Four strided convolutions over all channels, the mean over time, one linear layer."""

    config_class = ConvolutionalConfig
    main_input_name = "input_values"
    # Trainer itself averages the loss over steps of accumulation.
    accepts_loss_kwargs = False

    def __init__(self, config: ConvolutionalConfig) -> None:
        """Random weights."""
        super().__init__(config)
        layers: list[nn.Module] = []
        before = config.channels
        for width in WIDTHS:
            layers += [
                nn.Conv1d(before, width, KERNEL, stride=2, padding=KERNEL // 2, bias=False),
                nn.GroupNorm(GROUPS, width),
                nn.ReLU(),
            ]
            before = width
        self.layers = nn.Sequential(*layers)
        assert config.num_labels is not None
        self.head = nn.Linear(before, config.num_labels)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Torch's own initialisation is what is wanted."""

    def forward(
        self, input_values: torch.Tensor, labels: torch.Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Interleaved [n, frames·channels] → logits [n, labels]; with `labels` also the loss."""
        # len() of the batch would fix its size in an exported graph.
        windows = input_values.unflatten(1, (-1, self.config.channels))
        logits = self.head(self.layers(windows.transpose(1, 2)).mean(dim=-1))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)
