"""Frames between judge and worker: what goes in comes out, and nothing else is let in."""

import contextlib
import io
import json
import pickle
import struct

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from grader.worker import wire
from grader.worker.wire import Message, WireError

DTYPES = [
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int8,
    torch.uint8,
    torch.int32,
    torch.int64,
    torch.bool,
]


def sent(message: Message) -> Message:
    """Return what arrives."""
    return wire.read(io.BytesIO(wire.encode(message)))


def same_bits(left: Tensor, right: Tensor) -> bool:
    """Whether two tensors agree in shape, dtype and every bit (nan included)."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    flat = (t.contiguous().flatten().view(torch.uint8) if t.numel() else t.new_zeros(0) for t in (left, right))
    return torch.equal(*flat)


def frame(header: bytes, tensors: bytes = b"", lengths: tuple[int, int] | None = None) -> io.BytesIO:
    """Return a stream that holds a frame made by hand."""
    return io.BytesIO(struct.pack(">IQ", *(lengths or (len(header), len(tensors)))) + header + tensors)


# ## What goes in comes out
@settings(deadline=None, max_examples=60)
@given(
    shape=st.lists(st.integers(0, 4), max_size=4),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**31),
)
def test_every_shape_and_dtype_comes_back(shape: list[int], dtype: torch.dtype, seed: int) -> None:
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).mul(50).to(dtype)
    assert same_bits(sent(Message({}, {"t": tensor})).tensors["t"], tensor)


@settings(deadline=None, max_examples=40)
@given(
    header=st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_every_json_header_comes_back(header: dict[str, object]) -> None:
    assert sent(Message(header)).header == header


class Tagged(Tensor):
    """A subclass of Tensor, as a student's code may return."""


BASE = torch.arange(24.0).reshape(2, 3, 4)
AWKWARD = {
    "transposed": BASE.transpose(0, 2),
    "every second": BASE[:, :, ::2],
    "expanded": BASE[:, :1, :].expand(2, 5, 4),
    "a view into a larger storage": BASE[1, 2],
    "of a subclass": BASE.as_subclass(Tagged),
    "a parameter": torch.nn.Parameter(BASE.clone()),
    "with a graph": (BASE.clone().requires_grad_(True) * 2),
    "with its conjugate bit set": torch.complex(BASE, BASE).conj(),
    "with its negative bit set": torch.complex(BASE, BASE).conj().imag,
    "not finite": torch.tensor([float("nan"), float("inf"), -float("inf")]),
}


@pytest.mark.parametrize("tensor", AWKWARD.values(), ids=AWKWARD.keys())
def test_awkward_tensors_arrive_as_plain_ones(tensor: Tensor) -> None:
    arrived = sent(Message({}, {"t": tensor})).tensors["t"]
    assert type(arrived) is Tensor
    assert arrived.is_contiguous() and not arrived.requires_grad
    assert same_bits(arrived, tensor.detach().as_subclass(Tensor).resolve_conj().resolve_neg())


def test_tensors_that_share_storage_arrive_each_on_its_own() -> None:
    arrived = sent(Message({}, {"whole": BASE, "part": BASE[0], "again": BASE})).tensors
    arrived["whole"].zero_()
    assert torch.equal(arrived["part"], BASE[0])
    assert torch.equal(arrived["again"], BASE)


def test_frames_follow_each_other_on_one_stream() -> None:
    stream = io.BytesIO()
    for number in range(3):
        wire.write(stream, Message({"number": number}, {"t": torch.tensor([number])}))
    stream.seek(0)
    assert [wire.read(stream).header["number"] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(EOFError):
        wire.read(stream)


def test_a_stream_that_delivers_byte_by_byte_is_read_in_full() -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(1, size or 0))

    message = Message({"a": 1}, {"t": torch.arange(3)})
    assert torch.equal(wire.read(Dripping(wire.encode(message))).tensors["t"], torch.arange(3))


# ## What is refused
def test_an_ended_stream_is_told_from_a_frame_that_was_cut_off() -> None:
    whole = wire.encode(Message({"a": 1}, {"t": torch.arange(3)}))
    with pytest.raises(EOFError):
        wire.read(io.BytesIO(b""))
    for length in range(1, len(whole)):
        with pytest.raises(WireError, match="cut off"):
            wire.read(io.BytesIO(whole[:length]))


@pytest.mark.parametrize("lengths", [(wire.MAX_HEADER + 1, 0), (2, wire.MAX_TENSORS + 1), (2**32 - 1, 2**64 - 1)])
def test_a_frame_that_is_too_long_is_refused_before_it_is_read(lengths: tuple[int, int]) -> None:
    class Guarded(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size == 12, "only the lengths may be read"
            return super().read(size)

    with pytest.raises(WireError, match="longer than allowed"):
        wire.read(Guarded(frame(b"{}", lengths=lengths).getvalue()))


def test_the_reader_can_ask_for_smaller_answers() -> None:
    whole = wire.encode(Message({}, {"t": torch.zeros(1000)}))
    with pytest.raises(WireError, match="longer than allowed"):
        wire.read(io.BytesIO(whole), max_tensors=3999)


MALFORMED = {
    "no JSON": (b"{'a': 1}", b""),
    "no UTF-8": (b'{"a": "\xff"}', b""),
    "nothing": (b"", b""),
    "a list": (b"[]", b""),
    "a number": (b"1", b""),
    "nested without end": (b"[" * 100_000, b""),
    "an integer of many digits": (b'{"a": ' + b"9" * 100_000 + b"}", b""),
    "no safetensors": (b"{}", b"not tensors at all"),
    "safetensors cut off": (b"{}", safetensors.torch.save({"t": torch.zeros(9)})[:-1]),
    "safetensors with an offset beyond the end": (
        b"{}",
        struct.pack("<Q", 58) + b'{"t":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'.ljust(58) + b"\0" * 8,
    ),
}


@pytest.mark.parametrize(("header", "tensors"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_frames_are_refused(header: bytes, tensors: bytes) -> None:
    with pytest.raises(WireError):
        wire.read(frame(header, tensors))


class Opened:
    """Leaves a trace when it is unpickled."""

    touched = False

    @classmethod
    def touch(cls) -> None:
        cls.touched = True

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return (Opened.touch, ())


def test_pickles_are_never_opened() -> None:
    saved = io.BytesIO()
    torch.save(Opened(), saved)
    for pickled in (pickle.dumps(Opened()), saved.getvalue()):
        for header, tensors in [(pickled, b""), (b"{}", pickled), (json.dumps({}).encode(), pickled)]:
            with pytest.raises(WireError):
                wire.read(frame(header, tensors))
    assert not Opened.touched


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_break_the_reader_in_any_other_way(header: bytes, tensors: bytes) -> None:
    with contextlib.suppress(WireError):
        assert isinstance(wire.read(frame(header, tensors)), Message)
