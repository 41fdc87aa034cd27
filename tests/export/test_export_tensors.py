"""Exported rules on tensors of every shape, on states of other tensors, and under schedulers that warm up."""

from __future__ import annotations

import copy
import io

import pytest
from extras import extra

import framework
from framework.errors import InputError
from framework.registry.manager import current, find

torch = extra("torch")

OURS = [name for name in current().names("optimizer") if not find("optimizer", name).cls.external]
TWINS = ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"]
TWINS += ["Adafactor"]
"""torch's optimizers that take tensors of any shape; ours have the same names in small letters."""
ODD = {"number": (), "none": (0,), "rows": (0, 3), "columns": (3, 0), "kernel": (2, 0, 3, 3)}
REAL = {"matrix": (3, 2), "vector": (4,)}


@pytest.fixture(autouse=True)
def double_precision():
    """Let torch compute its scalars in float64 too: its NAdam and ASGD keep them in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def drawn(shapes):
    """Return parameters that depend on their name and shape alone."""
    made = {}
    for name, shape in shapes.items():
        generator = torch.Generator().manual_seed(sum(map(ord, name)))
        made[name] = torch.nn.Parameter(torch.randn(shape, generator=generator) + 2)
    return made


def descended(make, shapes, steps=12):
    """Return where an optimizer of these tensors leads on a bowl, by name."""
    held = drawn(shapes)
    optimizer = make(list(held.items()))
    curvature = {name: 1 + torch.arange(tensor.numel()).reshape(tensor.shape) for name, tensor in held.items()}

    def closure():
        optimizer.zero_grad()
        loss = sum((curvature[name] * tensor**2).sum() for name, tensor in held.items()) / 2
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return {name: tensor.detach() for name, tensor in held.items()}


def exported(name, **fields):
    return lambda params: framework.export.torch(name, params, **fields)


def same(found, expected):
    """Whether tensors are the same to the bit; a rule may give NaN by its nature."""
    return all(torch.allclose(found[name], value, rtol=0, atol=0, equal_nan=True) for name, value in expected.items())


@pytest.mark.parametrize("name", OURS)
def test_empty_tensors_change_nothing_beside_others(name):
    empty = {key: shape for key, shape in ODD.items() if 0 in shape}
    plain = descended(exported(name), REAL)
    assert same(descended(exported(name), {**empty, **REAL}), plain)
    assert same(descended(exported(name), {**REAL, **empty}), plain)
    assert not same(plain, {key: tensor.detach() for key, tensor in drawn(REAL).items()})
    assert all(tensor.numel() == 0 for tensor in descended(exported(name), empty).values())


@pytest.mark.parametrize("name", [name for name in OURS if not name.startswith("blog/")])
def test_a_number_takes_the_rule_of_a_vector_of_one_number(name):
    found = descended(exported(name), {**REAL, "number": ()})
    expected = descended(exported(name), {**REAL, "number": (1,)})
    assert torch.equal(found.pop("number"), expected.pop("number")[0])
    assert same(found, expected)


@pytest.mark.parametrize("twin", TWINS)
def test_every_shape_takes_the_path_of_torchs_own(twin):
    fails = twin == "Adafactor"  # torch's own divides by zero where a tensor is empty
    shapes = {**REAL, **{name: shape for name, shape in ODD.items() if not (fails and 0 in shape)}}
    ours, theirs = exported(twin.lower(), lr=0.05), getattr(torch.optim, twin)
    more = {"eps": 1e-8} if twin == "Adam" else {}
    found = descended(ours, shapes)
    expected = descended(lambda params: theirs(params, lr=0.05, **more), shapes)
    for name, tensor in expected.items():
        assert found[name].shape == tensor.shape
        assert torch.allclose(found[name], tensor, rtol=1e-11, atol=0), name


@pytest.mark.parametrize("name", ["adam", "muon", "shampoo", "soap", "sm3", "split", "prodigy"])
def test_a_state_of_odd_tensors_goes_through_a_file(name):
    shapes = {**REAL, **ODD}
    whole = drawn(shapes)
    unbroken = framework.export.torch(name, list(whole.items()))
    for tensor in whole.values():
        tensor.grad = torch.ones_like(tensor)
    unbroken.step()
    broken = copy.deepcopy(whole)
    file = io.BytesIO()
    torch.save(unbroken.state_dict(), file)
    file.seek(0)
    resumed = framework.export.torch(name, list(broken.items()))
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for key, tensor in broken.items():
        tensor.grad = torch.ones_like(tensor)
        whole[key].grad = torch.ones_like(tensor)
    resumed.step()
    unbroken.step()
    assert same(broken, whole)


OTHERS = {
    "wider": ("adam", (1,), (3,)),
    "longer": ("adam", (2,), (3,)),
    "turned": ("adam", (2, 3), (3, 2)),
    "rows": ("shampoo", (1, 3), (4, 3)),
    "columns": ("muon", (3, 1), (3, 4)),
    "vector": ("adafactor", (1,), (3,)),
    "whole": ("prodigy", (2, 3), (3, 2)),
    "routed": ("split", (2, 3), (3, 2)),
    "number": ("adam", (), (1,)),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_state_of_another_shape_is_refused(case):
    rule, old, new = OTHERS[case]
    before, after = (torch.nn.Parameter(torch.ones(shape)) for shape in (old, new))
    first, second = (framework.export.torch(rule, [("w", tensor)]) for tensor in (before, after))
    before.grad, after.grad = torch.full_like(before, 2.0), torch.full_like(after, 2.0)
    first.step()
    second.load_state_dict(first.state_dict())
    with pytest.raises(InputError, match="tensor w has shape") as caught:
        second.step()
    assert f"{old}; this model needs {new}" in str(caught.value)
    assert torch.equal(after, torch.ones(new))


def test_a_slot_of_another_shape_is_named():
    w = torch.nn.Parameter(torch.ones(3))
    w.grad = torch.ones(3)
    optimizer = framework.export.torch("adam", [("w", w)])
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["m"] = torch.ones(1, 1)
    optimizer.load_state_dict(state)
    with pytest.raises(InputError, match=r"m of tensor w has shape \(1, 1\); this model needs \(1, 3\)"):
        optimizer.step()
    state["state"][0]["m"] = 1.0
    optimizer.load_state_dict(state)
    with pytest.raises(InputError, match="the state has"):
        optimizer.step()


@pytest.mark.parametrize("name", ["adam", "muon"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("taken", [0, 1], ids=["at_once", "later"])
def test_a_tensor_of_low_precision_after_construction_is_refused(name, dtype, taken):
    layer = torch.nn.Linear(3, 2)
    optimizer = framework.export.torch(name, layer.parameters())
    for _ in range(taken):
        layer(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    layer.to(dtype)
    layer.zero_grad()
    layer(torch.ones(1, 3, dtype=dtype)).sum().backward()
    with pytest.raises(InputError, match=f"a tensor is {dtype}, .* must be dense float32 or float64"):
        optimizer.step()


WARM_UPS = {
    "linear": lambda optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5),
    "cycle": lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.05, total_steps=20, cycle_momentum=False
    ),
    "from_zero": lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: min(1, epoch / 4)),
    "constant": lambda optimizer: torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0),
}


def warmed(optimizer, tensor, warm_up, steps=10):
    scheduler = WARM_UPS[warm_up](optimizer)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        tensor.grad = torch.randn(tensor.shape, generator=generator)
        optimizer.step()
        scheduler.step()
    return tensor.detach()


@pytest.mark.parametrize("warm_up", WARM_UPS)
def test_rprop_starts_from_the_lr_that_its_group_has_at_the_first_step(warm_up):
    ours, theirs = drawn({"w": (3, 2)})["w"], drawn({"w": (3, 2)})["w"]
    optimizer = framework.export.torch("rprop", [ours], lr=0.02)
    with optimizer.evaluating():  # looking at the parameters is no first step
        pass
    found = warmed(optimizer, ours, warm_up)
    expected = warmed(torch.optim.Rprop([theirs], lr=0.02), theirs, warm_up)
    assert torch.allclose(found, expected, rtol=1e-13, atol=0)


def test_rprop_within_split_starts_there_too():
    w, alone = drawn({"w": (4,)})["w"], drawn({"w": (4,)})["w"]
    found = warmed(framework.export.torch("split", [w], rest="rprop", rest_lr=0.02), w, "linear")
    expected = warmed(torch.optim.Rprop([alone], lr=0.02), alone, "linear")
    assert torch.allclose(found, expected, rtol=1e-13, atol=0)


def halved(held, name, *, reload_at=None, **fields):
    """Take nine steps, lr half as large each time; make the optimizer anew from its state on the way if asked."""
    optimizer = framework.export.torch(name, list(held.values()), **fields)
    for step in range(9):
        optimizer.param_groups[0]["lr"] = optimizer.defaults["lr"] * 0.5**step
        if step == reload_at:
            saved = copy.deepcopy(optimizer.state_dict())
            optimizer = framework.export.torch(name, list(held.values()), **fields)
            optimizer.load_state_dict(saved)
        for tensor in held.values():
            tensor.grad = torch.cos(tensor.detach())
        optimizer.step()
    return held


@pytest.mark.parametrize("name", ["split", "adabound"])
def test_what_follows_the_schedule_goes_on_with_it_after_a_load(name):
    """`rest_lr` and `final_lr` follow lr relative to where it began, also when the rule is made anew."""
    assert same(halved(drawn(REAL), name, reload_at=4), halved(drawn(REAL), name))


def test_both_parts_of_split_follow_the_schedule():
    rest = {"vector": REAL["vector"]}
    found = halved(drawn(rest), "split", rest="adam", rest_lr=0.1)
    for name, tensor in halved(drawn(rest), "adam", lr=0.1).items():
        assert torch.allclose(found[name], tensor, rtol=1e-13, atol=0)
