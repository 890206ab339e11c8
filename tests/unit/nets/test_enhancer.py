import pytest
import torch

from lgvsc.nets.enhancer import Enhancer, EnhancerConfig, Known, blended


def known(height: int, width: int, batch: int = 2) -> Known:
    generator = torch.Generator().manual_seed(0)

    def field(channels: int) -> torch.Tensor:
        return torch.rand(batch, channels, height, width, generator=generator)

    situation = torch.rand(batch, 4, generator=generator)
    return Known(field(3), field(3), field(3), field(1), field(3), field(1), situation)


@pytest.mark.parametrize("size", [(16, 24), (18, 27)])
def test_an_untrained_network_is_the_plain_enlargement(size: tuple[int, int]) -> None:
    seen = known(*size)
    assert torch.equal(Enhancer.tiny()(seen), seen.plain)


def test_what_is_not_to_be_trusted_changes_nothing() -> None:
    net = Enhancer.tiny()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(1))
    seen = known(16, 16)
    nothing = torch.zeros_like(seen.texture_trust)
    there = net(seen._replace(texture_trust=nothing))
    assert torch.equal(there, net(seen._replace(texture_trust=nothing, texture=1 - seen.texture)))
    assert not torch.allclose(net(seen), net(seen._replace(texture=1 - seen.texture)))


def test_every_parameter_learns_once_the_last_layer_has() -> None:
    net = Enhancer.tiny()
    with torch.no_grad():
        net.leave.weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(2))
        for block in net.blocks:
            block.steer.weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(3))
    net(known(16, 16)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_its_usual_size() -> None:
    count = sum(p.numel() for p in Enhancer().parameters())
    assert 300_000 < count < 520_000
    assert EnhancerConfig.from_json(EnhancerConfig().to_json()) == EnhancerConfig()


def test_half_way_lies_between_both_ends() -> None:
    made = blended({"w": torch.zeros(2)}, {"w": torch.ones(2)}, 0.25)
    assert torch.equal(made["w"], torch.full((2,), 0.25))
    with pytest.raises(KeyError, match="other names"):
        blended({"w": torch.zeros(2)}, {"v": torch.ones(2)}, 0.5)
