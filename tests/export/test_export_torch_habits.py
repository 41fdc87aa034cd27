"""What people do with torch's optimizers, done with an exported one."""

from __future__ import annotations

import pytest
from extras import extra

import framework
from framework.errors import InputError

torch = extra("torch")


def tensors(*shapes, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]
    for tensor in made:
        tensor.grad = torch.randn(tensor.shape, generator=generator, dtype=dtype)
    return made


def moved(held, optimizer, steps=3):
    for _ in range(steps):
        optimizer.step()
    return [tensor.detach().clone() for tensor in held]


def same(found, expected):
    return all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_parameter_groups_have_fields_of_their_own():
    a, b, c = tensors((3, 2), (4,), (2,))
    groups = [{"params": [a]}, {"params": [b], "lr": 0.5, "weight_decay": 0.1}]
    optimizer = framework.export.torch("adam", groups, lr=0.01, amsgrad=True)
    optimizer.add_param_group({"params": c, "amsgrad": False})
    found = moved([a, b, c], optimizer)
    settings = [{"lr": 0.01, "amsgrad": True}, {"lr": 0.5, "weight_decay": 0.1, "amsgrad": True}, {"lr": 0.01}]
    for tensor, result, fields in zip(tensors((3, 2), (4,), (2,)), found, settings, strict=True):
        assert same(moved([tensor], framework.export.torch("adam", [tensor], **fields)), [result])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.1, 0.0]
    assert "max" not in str(optimizer.state[c].keys())


def test_a_rule_that_couples_tensors_takes_a_group_for_a_run():
    a, b, c = tensors((3, 2), (4,), (2,))
    grouped = framework.export.torch("prodigy", [{"params": [a, b]}, {"params": [c]}], lr=1.0)
    found = moved([a, b, c], grouped, 30)
    a, b, c = tensors((3, 2), (4,), (2,))
    together = moved([a, b], framework.export.torch("prodigy", [a, b], lr=1.0), 30)
    alone = moved([c], framework.export.torch("prodigy", [c], lr=1.0), 30)
    assert same(found, [*together, *alone])
    a, b, _ = tensors((3, 2), (4,), (2,))
    assert not same(moved([a], framework.export.torch("prodigy", [a], lr=1.0), 30), together[:1])


def test_fields_changed_on_the_way_count_from_the_next_step():
    (one,), (other,) = tensors((3, 2)), tensors((3, 2))
    optimizer = framework.export.torch("sgd", [one], lr=0.1, weight_decay=0.3)
    moved([one], optimizer)
    optimizer.param_groups[0]["weight_decay"] = 0.0
    optimizer.param_groups[0]["lr"] = 0.2
    found = moved([one], optimizer, 1)
    before = moved([other], framework.export.torch("sgd", [other], lr=0.1, weight_decay=0.3))
    assert torch.allclose(found[0], before[0] - 0.2 * other.grad, rtol=1e-14, atol=0)


CYCLES = {
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 30},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4},
}
TWINS = {
    "adam": (torch.optim.Adam, {"eps": 1e-8}, {"betas": (0.9, 0.99)}),
    "sgd": (torch.optim.SGD, {}, {"momentum": 0.9}),
}


def cycled(held, optimizer, scheduler, steps=25):
    """Return where torch's scheduler, its other settings as they come, leads along a fixed row of gradients."""
    made = getattr(torch.optim.lr_scheduler, scheduler)(optimizer, **CYCLES[scheduler])
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for tensor in held:
            tensor.grad = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        optimizer.step()
        made.step()
    return [tensor.detach().clone() for tensor in held]


@pytest.mark.parametrize("scheduler", CYCLES)
@pytest.mark.parametrize("name", TWINS)
def test_schedulers_cycle_momentum_as_with_torchs_own(name, scheduler):
    cls, same_as_default, fields = TWINS[name]
    ours, theirs, plain = (tensors((3, 2), (4,)) for _ in range(3))
    found = cycled(ours, framework.export.torch(name, ours, lr=0.02, **fields), scheduler)
    expected = cycled(theirs, cls(theirs, lr=0.02, **fields, **same_as_default), scheduler)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-11, atol=1e-12)
    still = {**CYCLES[scheduler], "cycle_momentum": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CYCLES, scheduler, still)
        steady = cycled(plain, framework.export.torch(name, plain, lr=0.02, **fields), scheduler)
    assert not torch.allclose(steady[0], expected[0], rtol=1e-3)


def test_betas_are_one_tuple_in_a_group_and_survive_a_state_dict():
    a, b = tensors((3, 2), (4,))
    groups = [{"params": [a]}, {"params": [b], "betas": [0.5, 0.6]}]
    optimizer = framework.export.torch("adam", groups, beta1=0.8)
    assert [group["betas"] for group in optimizer.param_groups] == [(0.8, 0.999), (0.5, 0.6)]
    assert optimizer.defaults["betas"] == (0.8, 0.999)
    optimizer.param_groups[0]["betas"] = (0.7, 0.99)
    found = moved([a, b], optimizer)
    for tensor, result, betas in zip(tensors((3, 2), (4,)), found, [(0.7, 0.99), (0.5, 0.6)], strict=True):
        beta1, beta2 = betas
        assert same(moved([tensor], framework.export.torch("adam", [tensor], beta1=beta1, beta2=beta2)), [result])
    fresh = framework.export.torch("adam", [{"params": [a]}, {"params": [b]}])
    fresh.load_state_dict(optimizer.state_dict())
    assert [group["betas"] for group in fresh.param_groups] == [(0.7, 0.99), (0.5, 0.6)]
    assert framework.export.torch("adan", [a]).defaults["betas"] == (0.98, 0.92, 0.99)
    optimizer.param_groups[0]["beta1"] = 0.1
    with pytest.raises(InputError, match="beta1 is given twice: in a group, it is part of betas"):
        optimizer.step()


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_tensors_of_another_kind_after_a_step_are_refused(name):
    layer = torch.nn.Linear(3, 2)
    before = framework.export.torch(name, layer.parameters())
    layer.double()
    layer(torch.ones(1, 3, dtype=torch.float64)).sum().backward()
    moved(list(layer.parameters()), before)
    layer.float()
    stood = layer.weight.detach().clone()
    layer.zero_grad()
    layer(torch.ones(1, 3)).sum().backward()
    with pytest.raises(InputError, match=r"was float64 of shape .* is now float32 .*: create the optimizer after"):
        before.step()
    assert torch.equal(layer.weight, stood)
    after = framework.export.torch(name, layer.parameters())
    after.load_state_dict(before.state_dict())
    after.step()
    assert layer.weight.dtype == torch.float32
    assert not torch.equal(layer.weight, stood)
    assert after.state[layer.weight]["step"] == 4


def test_names_route_tensors_through_split():
    a, b = tensors((3, 2), (4, 4))
    fields = {"names": "last", "matrices": "sgd", "rest": "adam", "lr": 0.1, "rest_lr": 0.5}
    optimizer = framework.export.torch("split", [("first", a), ("last", b)], **fields)
    found = moved([a, b], optimizer)
    a, b = tensors((3, 2), (4, 4))
    expected = [*moved([a], framework.export.torch("sgd", [a], lr=0.1))]
    assert same(found, [*expected, *moved([b], framework.export.torch("adam", [b], lr=0.5))])


def test_tensors_without_gradient_stay_and_do_not_age():
    a, b = tensors((3, 2), (4,))
    start, slope = b.detach().clone(), b.grad
    b.grad = None
    optimizer = framework.export.torch("adam", [a, b], weight_decay=0.5)
    moved([a, b], optimizer, 4)
    assert torch.equal(b, start)
    assert b not in optimizer.state
    b.grad = slope
    optimizer.step()
    assert (optimizer.state[a]["step"], optimizer.state[b]["step"]) == (5, 1)
    optimizer.zero_grad()
    assert a.grad is None
    assert optimizer.step() is None
    assert optimizer.state[a]["step"] == 5


@pytest.mark.parametrize("name", ["adam", "lamb", "prodigy"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_strides_dtype_and_identity_are_kept(name, dtype):
    (base,) = tensors((3, 4), dtype=dtype)
    strided = base.detach().t().requires_grad_()
    strided.grad = base.grad.t()
    place, seen = strided.data_ptr(), strided.detach().clone().contiguous().requires_grad_()
    seen.grad = strided.grad.contiguous()
    assert not strided.is_contiguous()
    found = moved([strided], framework.export.torch(name, [strided]))
    assert same(found, moved([seen], framework.export.torch(name, [seen])))
    assert (strided.data_ptr(), strided.dtype) == (place, dtype)
    assert torch.equal(base.t(), strided)


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_autograd_notices_a_step(name):
    w = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    optimizer = framework.export.torch(name, [w])
    loss = (w * w * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_hooks_and_scalars_work():
    (w,) = tensors(())
    optimizer, seen = framework.export.torch("adam", [w], lr=0.1), []
    optimizer.register_step_post_hook(lambda *_: seen.append(w.item()))
    assert optimizer.step(lambda: torch.tensor(7.0)) == 7.0
    assert len(seen) == 1
    assert "lr: 0.1" in repr(optimizer)


SPARSE = torch.nn.Embedding(5, 3, sparse=True)


@pytest.mark.parametrize(
    ("name", "params", "fields", "message"),
    [
        ("adm", [torch.zeros(2)], {}, "no optimizer is called adm; did you mean"),
        ("adam", [torch.zeros(2)], {"beta": 0.9}, "beta: adam has no such field; did you mean"),
        ("adam", [torch.zeros(2)], {"beta1": 1.5}, "beta1=1.5 is out of range: it must be in [0, 1)"),
        ("adam", [torch.zeros(2)], {"betas": 0.9}, "betas=0.9 must be 2 numbers: ['beta1', 'beta2']"),
        ("adam", [torch.zeros(2)], {"betas": (0.9, 0.9), "beta1": 0.5}, "beta1 is given twice"),
        ("adam", [torch.zeros(2)], {"betas": (1.5, 0.9)}, "beta1=1.5 is out of range: it must be in [0, 1)"),
        ("adam", [{"params": [torch.zeros(2)], "weigth_decay": 1}], {}, "a group has no field weigth_decay; did you"),
        ("adam", [{"params": [torch.zeros(2)], "lr": -1.0}], {}, "lr=-1 is out of range: it must be > 0"),
        ("adam", [torch.zeros(2, dtype=torch.bfloat16)], {}, "torch.bfloat16, torch.strided on cpu; it must be dense"),
        ("adam", [torch.zeros(2, device="meta")], {}, "on meta; it must be dense float32 or float64 on the CPU"),
        ("prodigy", [torch.zeros(2), torch.zeros(2, dtype=torch.float64)], {}, "must have one dtype"),
        ("sam", [{"params": [torch.zeros(2)]}, {"params": [torch.zeros(2)]}], {}, "all tensors must be in one group"),
    ],
)
def test_what_cannot_be_stepped_on_is_refused_at_once(name, params, fields, message):
    with pytest.raises(InputError) as caught:
        framework.export.torch(name, params, **fields)
    assert message in str(caught.value)


def test_what_cannot_be_stepped_on_later_is_refused_then():
    (w,) = tensors((2, 2))
    for name in ("lbfgs", "sam", "polyak_sgd"):
        with pytest.raises(InputError, match=r"the rule uses the loss: pass a closure, step\(closure\)"):
            framework.export.torch(name, [w]).step()
    optimizer = framework.export.torch("adam", [w])
    optimizer.param_groups[0]["lr"] = -0.1
    with pytest.raises(InputError, match=r"lr=-0.1 must be a number >= 0"):
        optimizer.step()
    SPARSE(torch.tensor([1])).sum().backward()
    with pytest.raises(InputError, match=r"a gradient is torch.sparse_coo; it must be dense"):
        framework.export.torch("adam", SPARSE.parameters()).step()
    other = framework.export.torch("sgd", [w], momentum=0.9)
    other.step()
    loaded = framework.export.torch("adam", [w])
    loaded.load_state_dict({**other.state_dict(), "param_groups": loaded.state_dict()["param_groups"]})
    with pytest.raises(
        InputError, match=r"the state has \['b', 'shapes', 'step'\]; the rule needs \['m', 'shapes', 'step', 'v'\]"
    ):
        loaded.step()
    loaded.load_state_dict(other.state_dict())
    with pytest.raises(InputError, match=r"a group has no amsgrad, beta1, .*: is its state_dict that of another rule"):
        loaded.step()
    with pytest.raises(InputError, match="a group has no field momentun"):
        optimizer.add_param_group({"params": tensors((2,)), "momentun": 0.9})
    assert len(optimizer.param_groups) == 1
