"""A BatchNorm behind the embedding while training, which folds into the last layer afterwards."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from export.dsanet import EMBEDDING_DIM, DsaNet


class Standardised(nn.Module):
    """y = BN(net(x)), in float32: cosines of different faces start spread around zero.

    Without it the embeddings of all faces begin nearly parallel, and losses over cosines learn
    slowly. The embeddings of Deng et al. 2019 (ArcFace) end in the same layer ("BN-Dropout-FC-BN").
    """

    def __init__(self, net: nn.Module, *, dim: int = EMBEDDING_DIM):
        super().__init__()
        self.net, self.norm = net, nn.BatchNorm1d(dim)

    def forward(self, image: Tensor) -> Tensor:
        """Embed (N, 3, 112, 112) to (N, dim)."""
        return self.norm(self.net(image).float())


@torch.no_grad()
def folded(standardised: Standardised) -> DsaNet:
    """Return a copy of the DSA-Net inside that gives, by itself, what both give in evaluation.

    W' = diag(γ/√(σ² + ε)) W and b' = (b − μ)·γ/√(σ² + ε) + β of the last layer.
    """
    net, norm = copy.deepcopy(standardised.net), standardised.norm
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    last = net.head.project
    last.weight.mul_(scale[:, None])
    last.bias.sub_(norm.running_mean).mul_(scale).add_(norm.bias)
    return net.eval()
