"""Tables 3 and 8: networks that searches found, as published.

Every number was read, none was measured here. Table 3 is CIFAR-10 in the DARTS space
(TNASP's own rows and those that it compares with); Table 8 is ImageNet in the space of
ProxylessNAS. FLOPs are multiply-adds.
"""

from typing import NamedTuple


class Found(NamedTuple):
    """A published network, or the mean over some.

    Attributes:
      method: the search that found it.
      accuracy: test accuracy, %, as written, with its deviation where there is one.
      params: millions of parameters, as written.
      cost: GPU-days of the search in Table 3, millions of multiply-adds in Table 8.
    """

    method: str
    accuracy: str
    params: str
    cost: str


TABLE3 = (
    Found("DenseNet-BC, by hand", "96.54", "25.6", "-"),
    Found("PyramidNet-BC, by hand", "96.69", "26.0", "-"),
    Found("Random", "96.71 ± .15", "3.2", "-"),
    Found("NASNet-A", "97.35", "3.3", "1,800"),
    Found("NASNet-B", "96.27", "2.6", "1,800"),
    Found("NASNet-C", "96.41", "3.1", "1,800"),
    Found("AmoebaNet-A", "96.66 ± .06", "3.2", "3,150"),
    Found("SNAS", "97.02", "2.9", "1.5"),
    Found("ENAS", "97.11", "4.6", "0.5"),
    Found("DARTS", "97.24 ± .09", "3.4", "4"),
    Found("NAONet", "97.02", "28.6", "200"),
    Found("PNAS", "97.17 ± .07", "3.2", "-"),
    Found("GHN", "97.16 ± .07", "5.7", "0.8"),
    Found("D-VAE", "94.80", "-", "-"),
    Found("NGE", "97.40", "-", "0.1"),
    Found("BONAS-A", "97.31", "3.45", "2.5"),
    Found("CTNAS", "97.41 ± .04", "3.6", "0.3"),
    Found("TNASP, mean", "97.43 ± .04", "3.6", "0.3"),
    Found("TNASP, best", "97.48", "3.7", "0.3"),
    Found("PINAT, later", "97.58", "-", "-"),
    Found("CARL, later", "97.67", "-", "-"),
)

TABLE8 = (
    Found("FBNet-C", "74.9", "5.5", "375"),
    Found("ProxylessNAS (GPU)", "75.1", "7.0", "457"),
    Found("SPOS", "74.8", "5.4", "472"),
    Found("RLNAS", "75.6", "5.3", "473"),
    Found("Neural Predictor", "74.75 ± .09", "6.4", "536"),
    Found("NAO", "75.5", "6.5", "590"),
    Found("TNASP-A", "75.1", "5.0", "433"),
    Found("TNASP-B", "75.5", "5.1", "478"),
    Found("TNASP-C", "75.8", "5.3", "497"),
    Found("PINAT-S, later", "77.8", "-", "452"),
)
