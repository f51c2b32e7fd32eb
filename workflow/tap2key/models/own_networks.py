"""Networks that Transformers does not have: a plain convolutional one, and learned GCC.

Source:
    Berg, A., O'Connor, M., Åström, K., Oskarsson, M. (2022), Extending GCC-PHAT using shift
        equivariant neural networks, Proc. Interspeech, 1791-1795 (arXiv 2208.04654): the idea of
        learned GCC, there for the delay of one pair.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from tap2key.config.stage_settings import LEARNED_GCC
from tap2key.datasets.crops import Cut
from tap2key.datasets.encoding import Encoding
from tap2key.models.baseline_features import check_channels
from tap2key.signal.delays import pairs
from tap2key.signal.lags import lags_of
from tap2key.signal.pair_correlations import FADE_S, HIGHEST_HZ

WIDTHS = (64, 128, 128, 256)
KERNEL = 9
# Normalised within each window: over a batch, the result would depend on how many processes and
# steps of accumulation share one.
GROUPS = 8

FILTERS = 4
# How long the kernels are: of both layers of filters, and along the lags.
FIRST_FILTER_MS, SECOND_FILTER_MS, LAG_FILTER_MS = 0.65, 0.19, 0.1
NEGATIVE_SLOPE = 0.2
HIDDEN = 128
# Weaker frequencies, and silent channels, stay weak: their phases would be those of rounding.
LEAST_POWER = 1e-4


class ConvolutionalConfig(PreTrainedConfig):
    """The network's shape: how channels, or pairs, lie in its input and, inherited, the labels."""

    model_type = "tap2key-convolutional"

    def __init__(self, channels: int = 1, stacked: bool = False, **kwargs: Any) -> None:
        """`channels` alternate in the input, or if `stacked` follow one another."""
        super().__init__(**kwargs)
        self.channels, self.stacked = channels, stacked


class LearnedGccConfig(PreTrainedConfig):
    """The network's shape: that of its interleaved input and, inherited, the labels."""

    model_type = "tap2key-learned-gcc"

    def __init__(
        self,
        channels: int = 2,
        frames: int = 288,
        sample_rate: int = 48_000,
        max_delay_ms: float = 2.0,
        **kwargs: Any,
    ) -> None:
        """`frames` of `channels` at `sample_rate`, correlated over ± `max_delay_ms`."""
        super().__init__(**kwargs)
        self.channels, self.frames = channels, frames
        self.sample_rate, self.max_delay_ms = sample_rate, max_delay_ms


class OwnNetwork(PreTrainedModel):
    """What both networks have in common: interleaved windows in, logits out of a linear `head`."""

    main_input_name = "input_values"
    # Trainer itself averages the loss over steps of accumulation.
    accepts_loss_kwargs = False
    head: nn.Linear

    def _init_weights(self, module: nn.Module) -> None:
        """Torch's own initialisation is what is wanted."""

    def separated(self, input_values: torch.Tensor) -> torch.Tensor:
        """The channels of interleaved inputs: [n, frames·channels] → [n, channels, frames]."""
        # len() of the batch would fix its size in an exported graph.
        return input_values.unflatten(1, (-1, self.config.channels)).transpose(1, 2)

    def features(self, windows: torch.Tensor) -> torch.Tensor:
        """What the head is given: [n, channels, frames] → [n, width]."""
        raise NotImplementedError

    def forward(
        self, input_values: torch.Tensor, labels: torch.Tensor | None = None
    ) -> SequenceClassifierOutput:
        """[n, frames·channels] values → logits [n, labels]; with `labels` also the loss."""
        logits = self.head(self.features(self.separated(input_values)))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class ConvolutionalClassifier(OwnNetwork):
    """Four strided convolutions over all channels, the mean over time, one linear layer."""

    config_class = ConvolutionalConfig

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

    def separated(self, input_values: torch.Tensor) -> torch.Tensor:
        """See `OwnNetwork`; of stacked inputs, too."""
        if not self.config.stacked:
            return super().separated(input_values)
        return input_values.unflatten(1, (self.config.channels, -1))

    def features(self, windows: torch.Tensor) -> torch.Tensor:
        """See `OwnNetwork`."""
        return self.layers(windows).mean(dim=-1)


class LearnedGccClassifier(OwnNetwork):
    """Learned filters, every pair's correlation of what they let through, and a small perceptron.

    The filters are the same for all channels, so that equal sounds stay equal and only delays are
    left between them. There is a nonlinearity among them: of linear filters the phase transform
    would leave nothing. They have no bias: it would sound at once in all channels, silent ones too.
    """

    config_class = LearnedGccConfig

    def __init__(self, config: LearnedGccConfig) -> None:
        """Random weights."""
        super().__init__(config)
        rate = config.sample_rate
        self.filters = nn.Sequential(
            _along_time(1, FILTERS, _odd(FIRST_FILTER_MS, rate), bias=False),
            nn.LeakyReLU(NEGATIVE_SLOPE),
            _along_time(FILTERS, FILTERS, _odd(SECOND_FILTER_MS, rate), bias=False),
        )
        along_lags = _odd(LAG_FILTER_MS, rate)
        self.combination = nn.Sequential(
            _along_time(FILTERS, FILTERS, along_lags),
            nn.GELU(),
            _along_time(FILTERS, 1, along_lags),
        )
        self.pairs = pairs(config.channels)
        lags = lags_of(rate, config.max_delay_ms / 1000)
        self.hidden = nn.Linear(len(self.pairs) * lags, HIDDEN)
        assert config.num_labels is not None
        self.head = nn.Linear(HIDDEN, config.num_labels)
        self.post_init()

    def correlations(self, windows: torch.Tensor) -> torch.Tensor:
        """Generalised cross-correlations with phase transform of what each filter lets through.

        As `tap2key.signal.pair_correlations`, which has the formula and its source, up to 14 kHz.

        Args:
            windows: [n, channels, frames].

        Returns:
            [n, filters, pairs, lags], pairs and lags in the order of `pair_correlations`.
        """
        rate, frames = self.config.sample_rate, self.config.frames
        reach = lags_of(rate, self.config.max_delay_ms / 1000) // 2
        # To the next power of two, with which all transforms are fast.
        length = 1 << (frames + reach - 1).bit_length()
        heard = self.filters((windows * self._fade(windows)).unsqueeze(1))
        # Half precision, which a GPU may train in, is not enough for a phase.
        heard = heard.float()
        kept = min(int(HIGHEST_HZ * length / rate), length // 2) + 1
        # In real numbers, as torch's exporter to ONNX cannot compute with complex ones.
        spectra = torch.view_as_real(torch.fft.rfft(heard, length))[..., :kept, :]
        power = spectra.square().sum(dim=-1, keepdim=True)
        phases = spectra * (power + LEAST_POWER).rsqrt()
        first, second = (list(each) for each in zip(*self.pairs, strict=True))
        (a, a_imaginary), (b, b_imaginary) = (
            phases[:, :, channels].unbind(dim=-1) for channels in (first, second)
        )
        cross = torch.stack(
            [b * a + b_imaginary * a_imaginary, b_imaginary * a - b * a_imaginary], dim=-1
        )
        cross = nn.functional.pad(cross, (0, 0, 0, length // 2 + 1 - kept))
        curves = torch.fft.irfft(torch.view_as_complex(cross), length, norm="ortho")
        return torch.cat([curves[..., length - reach :], curves[..., : reach + 1]], dim=-1)

    def features(self, windows: torch.Tensor) -> torch.Tensor:
        """See `OwnNetwork`."""
        curves = self.combination(self.correlations(windows))
        return nn.functional.relu(self.hidden(curves.flatten(1)))

    def _fade(self, windows: torch.Tensor) -> torch.Tensor:
        """Half a millisecond in and out: cut-off ends would be heard at once by all microphones."""
        slope = max(1, round(FADE_S * self.config.sample_rate))
        rise = (torch.arange(self.config.frames, device=windows.device) + 0.5) / slope
        inside = torch.minimum(rise, rise.flip(0)).clamp(max=1)
        return torch.sin(torch.pi / 2 * inside).square()


Own = ConvolutionalClassifier | LearnedGccClassifier
# By kind of experiment.
OWN_NETWORKS: dict[str, type[Own]] = {
    "convolutional": ConvolutionalClassifier,
    LEARNED_GCC: LearnedGccClassifier,
}


def build_own(kind: str, labels: Sequence[str], encoding: Encoding, cut: Cut) -> Own:
    """One of `OWN_NETWORKS` with random weights.

    Args:
        kind: which.
        labels: names of the classes, in order.
        encoding: what windows are.
        cut: what of them the network is given.

    Raises:
        Tap2keyError: learned GCC of an encoding without channels side by side.
    """
    names: dict[str, Any] = {"id2label": dict(enumerate(labels))}
    if kind != LEARNED_GCC:
        shape = ConvolutionalConfig(channels=cut.channels, stacked=cut.stacked, **names)
        return ConvolutionalClassifier(shape)
    check_channels(kind, encoding)
    return LearnedGccClassifier(
        LearnedGccConfig(
            channels=cut.period,
            frames=cut.frames,
            sample_rate=encoding.sample_rate,
            max_delay_ms=encoding.array.max_delay_ms,
            **names,
        )
    )


def _along_time(before: int, after: int, kernel: int, bias: bool = True) -> nn.Conv2d:
    """A convolution along time or lags that all channels or pairs share."""
    return nn.Conv2d(before, after, (1, kernel), padding=(0, kernel // 2), bias=bias)


def _odd(milliseconds: float, sample_rate: int) -> int:
    """So long a kernel in samples, with a middle, and with a neighbour on either side of it."""
    return 2 * max(1, round(milliseconds * sample_rate / 1000) // 2) + 1
