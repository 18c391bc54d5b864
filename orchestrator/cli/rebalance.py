"""orchestrator rebalance: now, or first as a plan."""

import click

from orchestrator.cli import answer, options, output


@click.group()
def rebalance() -> None:
    """Even the load out: at once, or as a plan to look at first."""


@rebalance.command()
@click.option("--reason", help="Kept with the decision.")
@options.common
def now(target: options.Target, reason: str | None) -> None:
    """Rebalance now, with the least possible moves, whatever the cooldown says."""
    answer.act_and_show(target, "rebalance", reason=reason)


@rebalance.command()
@options.common
def plan(target: options.Target) -> None:
    """Show what a rebalance would move, and keep it for 'apply'."""
    moves = answer.act(target, "plan_rebalance")
    output.rows(moves, as_json=target.json, empty="nothing to move: the load is even")


@rebalance.command()
@click.argument("plan_id", type=int)
@options.common
def apply(target: options.Target, plan_id: int) -> None:
    """Make the moves of a plan; refused when the state has moved on since."""
    answer.act_and_show(target, "apply_plan", plan_id=plan_id)


@rebalance.command()
@click.option("--reason", help="Shown to whoever wonders.")
@options.common
def pause(target: options.Target, reason: str | None) -> None:
    """Stop balancing until 'resume'. Placement, failover and drains go on."""
    answer.act_and_show(target, "pause_balancing", reason=reason)


@rebalance.command()
@options.common
def resume(target: options.Target) -> None:
    """Balance again."""
    answer.act_and_show(target, "resume_balancing")


@rebalance.command()
@options.common
def end_recovery(target: options.Target) -> None:
    """End recovery mode now, instead of after a quiet time; only what fails from now on can switch it on again."""
    answer.act_and_show(target, "end_recovery")
