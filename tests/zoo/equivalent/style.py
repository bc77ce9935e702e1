"""Right files of another style: what a file may do at its own top level, and around the answers."""

from tests.zoo.entry import Equivalent

EQUIVALENT = (
    Equivalent(
        "prints everywhere",
        answers=(
            (
                "kl",
                'print("kl of", tuple(self.mean.shape))\n'
                "return 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)",
            ),
        ),
        top='\nprint("VAE model loaded, torch", torch.__version__)\n',
    ),
    Equivalent(
        "seeds, device, pictures and a folder at the top level",
        top="""
            import os
            import random

            import matplotlib.pyplot as plt
            import numpy as np

            plt.rcParams["figure.figsize"] = (8, 4)
            SEED = 42
            random.seed(SEED)
            np.random.seed(SEED)
            torch.manual_seed(SEED)
            DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            os.makedirs("pictures", exist_ok=True)
            """,
    ),
    Equivalent(
        "settings of torch, of warnings and of two threads",
        top="""
            import logging
            import warnings

            warnings.simplefilter("error")
            logging.basicConfig(level=logging.DEBUG)
            torch.set_num_threads(2)
            torch.use_deterministic_algorithms(True)
            torch.set_float32_matmul_precision("high")
            torch.autograd.set_detect_anomaly(True)
            """,
    ),
    Equivalent(
        "options of a command line at the top level",
        top="""
            import argparse

            parser = argparse.ArgumentParser(description="VAE example")
            parser.add_argument("--batch-size", type=int, default=128, metavar="N")
            parser.add_argument("--no-accel", action="store_true", default=False)
            args = parser.parse_args()
            args.cuda = not args.no_accel and torch.cuda.is_available()
            device = torch.device("cuda" if args.cuda else "cpu")
            """,
    ),
    Equivalent(
        "a main block and a smoke test",
        bottom="""

        if __name__ == "__main__":
            model = VAE(z_dim=8)
            print(model(torch.randn(2, 3, 32, 32)))
        """,
    ),
    Equivalent(
        "a small training at the top level",
        bottom="""

        _tiny = VAE(z_dim=4, encoder_features=4, decoder_features=4, input_size=16)
        _, _nll, _kl = _tiny(torch.zeros(2, 3, 16, 16))
        (_nll + _kl).mean().backward()
        print(f"smoke test: {_nll.mean().item():.1f} nats")
        """,
    ),
    Equivalent(
        "another file's names beside",
        swaps=(("import math\n", "import math\nimport warnings\n"),),
        top="""

        warnings.warn("this file warns when it is imported")
        """,
        bottom="""

        class ConditionalVAE(VAE):
            def forward(self, x, noise=None, labels=None):
                return super().forward(x, noise)
        """,
    ),
    Equivalent(
        "clamp repeated where it changes nothing",
        answers=(
            (
                "encode",
                "h = self.encoder(x)\n"
                "return DiagonalGaussianDistribution(self.mean(h), self.logvar(h).clamp(-30.0, 20.0))",
            ),
        ),
    ),
    Equivalent(
        "attributes of one's own",
        answers=(
            (
                "encode",
                "self.last_hidden = self.encoder(x)\n"
                "return DiagonalGaussianDistribution(self.mean(self.last_hidden), self.logvar(self.last_hidden))",
            ),
            (
                "decode",
                "likelihood = DiagonalGaussianDistribution(mean=self.decoder(z), logvar=None)\n"
                "self.last_likelihood = likelihood\nreturn likelihood",
            ),
        ),
    ),
    Equivalent(
        "decorators",
        swaps=(
            (
                "    # ## Task `prior_sample`\n    def sample",
                "    # ## Task `prior_sample`\n    @torch.no_grad()\n    def sample",
            ),
            (
                "    # ## Task `log_likelihood`\n    def",
                "    # ## Task `log_likelihood`\n    @torch.inference_mode()\n    def",
            ),
            ("# ## Task `interpolate`\ndef", "# ## Task `interpolate`\n@torch.no_grad()\ndef"),
        ),
    ),
    Equivalent(
        "compiled by torch.compile",
        answers=(
            (
                "encoder.forward",
                "return self.body(x)",
            ),
            ("kl", "return _closed_form(self.mean, self.logvar)"),
        ),
        swaps=(
            (
                "        self.out_features = 8 * features * (input_size // 16) ** 2\n",
                "        self.out_features = 8 * features * (input_size // 16) ** 2\n"
                "        self.body = torch.compile(self.layers, fullgraph=True)\n",
            ),
        ),
        top="""

        @torch.compile(mode="reduce-overhead")
        def _closed_form(mean, logvar):
            return 0.5 * torch.sum(mean**2 + logvar.exp() - 1.0 - logvar, dim=1)
        """,
    ),
    Equivalent(
        "pictures in a window",
        top="""
            import matplotlib

            matplotlib.use("TkAgg")
            import matplotlib.pyplot as plt

            plt.switch_backend("QtAgg")
            plt.figure()
            plt.show()
            """,
    ),
    Equivalent(
        "a part of one's own that is never used",
        swaps=(
            ("        self.to(device)\n", "        self.spare = nn.Linear(z_dim, z_dim)\n        self.to(device)\n"),
        ),
    ),
)
