"""Trainers that people use around their loops: Lightning, and torchdata's stateful loader."""

import pathlib
from typing import Any

import pytest
from conftest import TRAIN, write_job
from microtome import PatchDataset, PatchLoader

torch = pytest.importorskip("torch", reason="NumPy alone is tested elsewhere")


@pytest.fixture
def job(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_job(tmp_path / "patchjob.yaml", {**TRAIN, "epochs": 2})


@pytest.fixture
def whole(job: pathlib.Path) -> list[list[int]]:
    with PatchLoader("train", job=job) as loader:
        return [batch["index"].tolist() for _ in loader.remaining_epochs() for batch in loader]


def test_lightning_fits_saves_and_goes_on(job: pathlib.Path, whole: list[list[int]], tmp_path: pathlib.Path) -> None:
    lightning = pytest.importorskip("lightning", reason="the trainer")

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 5)
            self.seen: list[list[int]] = []

        def training_step(self, batch: dict[str, Any], _: int) -> Any:
            self.seen.append(batch["index"].tolist())
            return torch.nn.functional.cross_entropy(self.layer(batch["image"].float().mean((1, 2))), batch["grade"])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    def fit(checkpoint: pathlib.Path | None) -> list[list[int]]:
        checkpoints = lightning.pytorch.callbacks.ModelCheckpoint
        every = checkpoints(dirpath=tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
        trainer = lightning.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            callbacks=[every],
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        module = Module()
        with PatchLoader("train", job=job) as loader:
            trainer.fit(module, loader, ckpt_path=checkpoint)
        return module.seen

    assert fit(None) == whole
    for stop in (4, 6, 8):
        assert fit(tmp_path / f"step={stop}.ckpt") == whole[stop:], stop


def test_torchdatas_loader_saves_and_goes_on(job: pathlib.Path, whole: list[list[int]]) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="the loader")
    for stop in (1, 4, 5):
        dataset = PatchDataset("train", job=job)
        loader = stateful.StatefulDataLoader(dataset, batch_size=None)
        batches = iter(loader)
        seen = [next(batches)["index"].tolist() for _ in range(stop)]
        state = loader.state_dict()
        dataset.loader.close()
        dataset = PatchDataset("train", job=job)
        loader = stateful.StatefulDataLoader(dataset, batch_size=None)
        loader.load_state_dict(state)
        seen += [batch["index"].tolist() for batch in loader]
        seen += [batch["index"].tolist() for batch in loader]
        dataset.loader.close()
        assert seen == whole, stop
