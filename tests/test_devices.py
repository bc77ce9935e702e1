"""A tensor made on the default device, where the model's may be another, is noted: without a GPU, never by mistake."""

from pathlib import Path
from typing import Any

import pytest
import torch

from grader.grading.session import standin_sources
from grader.judge.inputs import Draw
from grader.judge.known_models import random_model
from grader.judge.result import CheckResult, Explanation, Result, TaskResult
from grader.report import terminal
from grader.report.explain import shown
from grader.worker.devices import DefaultDevice
from grader.worker.probes import PROBES
from grader.worker.submission import LoadedSubmission, load_submission, standin_from_source
from tests.zoo.build import reference, with_answers

LINE = "return model.decode(z_1 + w * (z_2 - z_1)).mode()"
GIVEN = "z = noise if noise is not None else "
DECODED = "\nreturn self.decode(z).mode()"
ESTIMATE = (
    "\nlog_w = [self.encode(x).kl() - self.decode(z).nll(x) for _ in range(K)]\nreturn torch.stack(log_w).mean(0)"
)

NOTED = [
    ("sample", "return self.mean + self.std * torch.randn(self.mean.shape)"),
    ("sample", "e = torch.zeros(self.mean.shape)\ne.normal_()\nreturn torch.addcmul(self.mean, self.std, e)"),
    ("sample", "return torch.normal(0.0, 1.0, self.mean.shape) * self.std + self.mean"),
    ("kl", "return 0.5 * (self.mean**2 + self.var - torch.ones(self.mean.shape) - self.logvar).sum(1)"),
    ("nll", "return (torch.log(torch.tensor([6.28])) + (sample - self.mean) ** 2 + self.logvar).sum(list(dims))"),
    ("prior_sample", f"{GIVEN}torch.randn(batch_size, self.z_dim){DECODED}"),
    ("prior_sample", f"{GIVEN}torch.randn(batch_size, self.z_dim).to(torch.float32){DECODED}"),
    ("prior_sample", f"{GIVEN}torch.tensor([[0.5] * self.z_dim] * batch_size).double().float(){DECODED}"),
    ("prior_sample", "return self.decoder(torch.randn(batch_size, self.z_dim) if noise is None else noise)"),
    ("forward", "q = self.encode(x)\np = self.decode(q.mean + q.std * torch.randn(x.shape[0], self.z_dim))\n"
                "return p.mode(), p.nll(x), q.kl()"),
    ("log_likelihood", f"q = self.encode(x)\nz = q.mean + torch.randn(*q.mean.shape) * q.std{ESTIMATE}"),
    ("log_likelihood", "z = self.encode(x).sample()\ntotal = torch.full((len(x),), -math.inf)\n"
                       "return torch.logaddexp(total, -self.decode(z).nll(x))"),
    ("log_likelihood", "z = self.encode(x).sample()\np = torch.distributions.MultivariateNormal(\n"
                       "    torch.zeros(self.z_dim), torch.eye(self.z_dim))\n"
                       "return p.log_prob(z) - self.decode(z).nll(x)"),
    ("interpolate", f"w = torch.linspace(0, 1, n_samples)[:, None]\n{LINE}"),
    ("interpolate", f"w = torch.arange(n_samples).view(-1, 1) / (n_samples - 1)\n{LINE}"),
    ("interpolate", "codes = torch.empty(n_samples, z_1.shape[1])\nfor i in range(n_samples):\n"
                    "    codes[i] = torch.lerp(z_1[0], z_2[0], i / (n_samples - 1))\n"
                    "return model.decode(codes).mode()"),
]  # fmt: skip
RIGHT = [
    ("sample", "return self.mean + self.std * torch.randn_like(self.mean)"),
    ("sample", "return self.mean + self.std * torch.randn(self.mean.shape, device=self.mean.device)"),
    ("sample", "return self.mean + self.std * torch.randn(self.mean.shape).to(self.mean)"),
    ("sample", "return self.mean + self.std * torch.randn(self.mean.shape).type_as(self.mean)"),
    ("sample", "return self.mean + self.std * self.mean.new_empty(self.mean.shape).normal_()"),
    ("sample", "return torch.distributions.Normal(self.mean, self.std).rsample()"),
    ("sample", "return torch.normal(self.mean, self.std) * torch.tensor(1.0)"),
    ("sample", "with torch.device(self.mean.device):\n    return self.mean + self.std * torch.randn(self.mean.shape)"),
    ("kl", "return 0.5 * (self.mean**2 + self.var - torch.tensor(1.0) - self.logvar).sum(1)"),
    ("nll", "c = torch.log(torch.tensor(2 * math.pi))\nreturn (c + (sample - self.mean) ** 2).sum(list(dims))"),
    ("prior_sample", f"{GIVEN}torch.randn(batch_size, self.z_dim, device=next(self.parameters()).device){DECODED}"),
    ("prior_sample", f"where = self.mean.weight.device\n{GIVEN}torch.rand(batch_size, self.z_dim).to(where){DECODED}"),
    ("prior_sample", f"{GIVEN}torch.randn(batch_size, self.z_dim).to(device='cpu', dtype=torch.float32){DECODED}"),
    ("prior_sample", f"{GIVEN}torch.zeros(batch_size, self.z_dim, device=self.mean.bias.device).normal_(){DECODED}"),
    ("prior_sample", f"{GIVEN}self.mean.bias.new_zeros(batch_size, self.z_dim){DECODED}"),
    ("log_likelihood", f"log_k = torch.log(torch.tensor(float(K)))\nz = self.encode(x).sample(){ESTIMATE} - log_k"),
    ("log_likelihood", "w = torch.zeros(K, len(x))\nfor k in range(K):\n"
                       "    w[k] = -self.decode(self.encode(x).sample()).nll(x)\nreturn w.logsumexp(0)"),
    ("log_likelihood", f"z = self.encode(x).sample()\nprint(z, z.tolist(), z[z > 0].numpy(force=True)){ESTIMATE}"),
    ("log_likelihood", f"z = self.encode(x).sample()[torch.arange(len(x))]{ESTIMATE}"),
    ("log_likelihood", "z = self.encode(x).sample()\np = torch.distributions.Normal(0.0, 1.0)\n"
                       "return p.log_prob(z).sum(1) - self.decode(z).nll(x)"),
    ("interpolate", f"w = torch.linspace(0, 1, n_samples, device=z_1.device)[:, None]\n{LINE}"),
    ("interpolate", f"w = torch.linspace(0, 1, n_samples).to(z_1).view(-1, 1)\n{LINE}"),
    ("interpolate", "return torch.cat([model.decode(torch.lerp(z_1, z_2, i / (n_samples - 1))).mode()\n"
                    "                  for i in torch.arange(n_samples)])"),
    ("interpolate", "steps = [float(w) for w in torch.linspace(0, 1, n_samples)]\n"
                    "return torch.cat([model.decode(z_1 + w * (z_2 - z_1)).mode() for w in steps])"),
]  # fmt: skip


def noted(text: str, task: str, folder: Path) -> list[str]:
    """Return the lines of a file that are noted while a task is asked for, with the stand-ins that its worker has."""
    file = folder / "VAE_Model.py"
    file.write_text(text, encoding="utf-8")
    standins = {name: standin_from_source(name, source) for name, source in standin_sources(task).items()}
    submission, watch = LoadedSubmission(load_submission(file), standins), DefaultDevice(file)
    draw = Draw(1, "devices")
    known = random_model(draw)
    z, x = draw.normal(3, known.sizes["z_dim"]).float(), draw.uniform(-1, 1, 3, *known.image_shape).float()
    asked: dict[str, dict[str, Any]] = {
        "prior_sample": {"batch_size": 3}, "forward": {"x": x}, "log_likelihood": {"x": x, "K": 3},
        "interpolate": {"z_1": z[:1], "z_2": z[1:2], "n_samples": 4},
    }  # fmt: skip
    with watch:
        if task in asked:
            PROBES[task](submission, sizes=known.sizes, **known.as_dtype(torch.float32), **asked[task])
        else:
            given = {"sample": z, "dims": [1]} if task == "nll" else {}
            PROBES["distribution"](submission, name=task, mean=z, logvar=z, **given)
    return [text.splitlines()[line - 1].strip() for line in sorted(watch.lines)]


@pytest.mark.parametrize(("task", "answer"), NOTED)
def test_a_tensor_without_a_device_is_noted_with_its_line(task: str, answer: str, tmp_path: Path) -> None:
    lines = noted(with_answers(reference(), {task: answer}), task, tmp_path)
    assert lines and all("torch." in line and line in answer for line in lines)


@pytest.mark.parametrize(("task", "answer"), RIGHT)
def test_what_a_gpu_allows_is_not(task: str, answer: str, tmp_path: Path) -> None:
    assert noted(with_answers(reference(), {task: answer}), task, tmp_path) == []


def test_a_note_is_shown_and_costs_nothing() -> None:
    checks = [
        CheckResult("mode", name, f"title of {name}", "value", 100, 100, "passed", Explanation(note=note))
        for name, note in (("one", "line 7: it may be so"), ("other", ""))
    ]
    task = TaskResult("mode", tuple(checks))
    assert (task.status, task.score, shown(task).explained, shown(task).same) == ("passed", 200, (checks[0],), 0)
    text = terminal.render(Result("file", (task,), 1.0, "process", 0))
    assert "mode: title of one\n    note      line 7: it may be so\n" in text and "title of other" not in text
    assert checks[0].explanation.parts() == (("note", "line 7: it may be so"),)


@pytest.mark.parametrize("task", ["sample", "kl", "nll", "prior_sample", "forward", "log_likelihood", "interpolate"])
def test_the_reference_has_no_note(task: str, tmp_path: Path) -> None:
    assert noted(reference(), task, tmp_path) == []


def test_what_a_constructor_makes_is_moved_with_the_model(tmp_path: Path) -> None:
    text = reference().replace(
        "        self.to(device)\n", "        self.b = torch.zeros(z_dim)\n        self.to(device)\n"
    )
    answer = {"prior_sample": f"{GIVEN}torch.randn(batch_size, self.z_dim, device='cpu') + self.b{DECODED}"}
    assert noted(with_answers(text, answer), "prior_sample", tmp_path) == []
