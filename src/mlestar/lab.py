"""The verbs of the method: what each word of `algorithm.py` means.

A verb asks roles, runs jobs and compares scores through the workbench; every paid act is one journal
step at a readable address. Evaluation, study, blending and finish have a chapter of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from mlestar import blending, candidates, evaluating, finishing, guests, roles, scripts, searching, steering, studying
from mlestar.candidates import Findings
from mlestar.errors import NoSolution
from mlestar.ledger import drafted, line
from mlestar.neighbours import found_elsewhere
from mlestar.records import Attempt, Blend, Elsewhere, Final, Letter, Plan, Scored, Solution, Target
from mlestar.studying import Study
from mlestar.workbench import Workbench

T = TypeVar("T")
FEWEST_VARIANTS = 2  # the worth of one cell alone tells nothing about where to go on
LOOKED = 2.0  # times the seconds of the next evaluation: what must be left for a look before it
NOTHING = Scored(Solution("nothing", "", ""), "", None, "nothing was tried yet", ())


@dataclass(frozen=True)
class Lab:
    """The verbs at one address. `first` is the quick solution that every branch starts from."""

    bench: Workbench
    first: Scored = NOTHING
    found: dict[str, Scored] = field(default_factory=dict)
    heard: tuple[Letter, ...] = ()
    acted: dict[int, set[int]] = field(default_factory=dict)  # by branch: letters that were acted on
    looked: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by address: what looks saw
    elsewhere: tuple[Elsewhere, ...] = ()  # what other branches had found

    def at(self, name: str) -> Lab:
        """The same lab at `<address>/<name>`."""
        return replace(self, bench=self.bench.at(name))

    def side_by_side(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Run calls at the same time; the executor's slots bound the jobs."""
        return self.bench.side_by_side(calls)

    def abreast(self, count: int) -> Lab:
        """The same lab where so many evaluations share the branch's slots: what fits is told by that."""
        return replace(self, bench=replace(self.bench, rules=replace(self.bench.rules, abreast=count)))

    def with_guests(self, branches: Sequence[Callable[[], Scored]]) -> list[Scored]:
        """Run the branches side by side, and take in what people hand in meanwhile (`mle-star add`)."""
        leaders, taken = guests.beside(self.bench, branches, lambda: self.rank(self.found.values())[0])
        return [*leaders, *map(self._known, taken)]

    def take_in(self) -> list[Scored]:
        """What was handed in up to now, for a finish after the method's own end."""
        return [*map(self._known, guests.so_far(self.bench, lambda: self.rank(self.found.values())[0]))]

    def listen(self) -> Lab:
        """Hear what people said (hints for the brain, bans, things to do), and what other branches have found."""
        elsewhere = found_elsewhere(self.bench, [*self.found.values()], self.rank, self.looked)
        heard = steering.mine(self.bench, steering.listen(self.bench))
        return replace(self, heard=heard, elsewhere=elsewhere, bench=replace(self.bench, hints=steering.hints(heard)))

    def _fresh(self, *kinds: str) -> tuple[Letter, ...]:
        """Letters of these kinds that this branch has not acted on; from now on it has."""
        done = self.acted.setdefault(self.bench.branch, set())
        found = tuple(x for x in self.heard if x.about.partition(":")[0] in kinds and x.number not in done)
        done.update(x.number for x in found)
        return found

    # --- the start ---------------------------------------------------------------------------------

    def open(self) -> Lab:
        """The cheapest sensible model, at once on one fold and on the real view.

        So a valid submission exists within a minute, and the seconds it took decide on how many
        folds this run evaluates.
        """
        bench = self.bench
        found = searching.library(bench, 6)
        ideas = bench.ask(roles.Retrieve, roles.Ideas, count=2, quick=True, found=found).ideas
        if not ideas:
            raise NoSolution(f"the brain {bench.brain.name!r} named no model to begin with", budget=False)
        solution, result = evaluating.first_fold(bench, candidates.write(bench, ideas[0]), 0)
        evaluating.deliver_first(bench, solution, result)
        folds = evaluating.affordable_folds(bench, result.outcome.seconds, ideas[0].cost, ideas[-1].cost)
        opened = replace(bench, rules=replace(bench.rules, folds=folds))
        first = self._known(evaluating.other_folds(opened, solution, result))
        return replace(self, bench=replace(opened, address=""), first=first)

    def candidates(self, count: int, findings: Findings) -> list[Scored]:
        """A_retriever and A_init: `count` models that suit the task, each written and evaluated."""
        self._fresh("model")  # what people described is among the ideas
        return candidates.candidates(self.bench, self.first, self.heard, count, findings, self._known)

    # --- scores ------------------------------------------------------------------------------------

    def evaluate(self, solution: Solution, against: Scored | None = None) -> Scored:
        """h(s): the score of a solution, with its error; a reason instead where it fails."""
        return self._known(evaluating.evaluate(self.bench, solution, against))

    def better(self, challenger: Scored, incumbent: Scored) -> bool:
        """Whether a challenger replaces the incumbent: by more than noise, on the same rows."""
        if challenger.score is None or challenger.dropped:
            return False
        if incumbent.score is None:
            return True
        bench = self.bench
        return bench.bank.better(evaluating.folds(challenger), evaluating.folds(incumbent)) >= bench.rules.accept

    def rank(self, found: Iterable[Scored]) -> list[Scored]:
        """Best first; what failed or was dropped comes last. The cheaper one first on equal scores."""
        sign = -1.0 if self.bench.task.profile.direction == "max" else 1.0

        def key(s: Scored) -> tuple[bool, float, float, str]:
            return (s.score is None or s.dropped, sign * s.score.value if s.score else 0.0, s.solution.cost, s.address)

        return sorted(found, key=key)

    def working(self, candidates: Sequence[Scored]) -> list[Scored]:
        """The candidates that have a whole score; the run's first solution where there is none."""
        return [s for s in candidates if s.score is not None and not s.dropped] or [self.first]

    def time_for(self, cost: float, like: Sequence[Scored], late: bool = False) -> bool:
        """Whether something of this cost fits into the phase, by what these took for theirs."""
        return candidates.time_for(self.bench, cost, [*like], self.first, late)

    # --- init --------------------------------------------------------------------------------------

    def evaluate_merged(self, best: Scored, other: Scored) -> Scored:
        """A_merger, mechanically: both scripts side by side, averaged. Run only if the bank says it helps.

        The bank holds what both would predict, so a merger that does not help costs nothing.
        """
        if best.score is None or other.score is None or other.dropped:
            return other
        merged = blending.merge(self.bench, best, other)
        if merged is None or not evaluating.fits_again(self.bench, "fits", best, other):
            return other
        return self.evaluate(merged, best)

    def check_data_usage(self, best: Scored) -> Scored:
        """A_data: what did the script really open, and is there something it should have?"""
        opened = {path for r in best.results for path in r.outcome.opened}
        unread = tuple(f for f in studying.given_files(self.bench.task.profile) if not studying.touched(f, opened))
        reply = self.bench.ask(roles.CheckDataUsage, roles.CheckedScript, script=best.solution.script, unread=unread)
        return self._checked(reply, best)

    def check_leakage(self, best: Scored) -> Scored:
        """A_leakage: does the script use what the test will not have?"""
        suspicions = studying.suspicions(self.bench, best)
        for suspicion in suspicions:
            self.bench.journal.note(self.bench.address, f"leakage suspected: {suspicion}")
        script = best.solution.script
        reply = self.bench.ask(roles.CheckLeakage, roles.CheckedScript, script=script, suspicions=suspicions)
        return self._checked(reply, best, must=any("only training rows" in s for s in suspicions))

    def keep(self, best: Scored) -> Scored:
        """The initial solution on the real view, where it is better than the first, whose submission is there."""
        ahead = best.score is not None and best.score.beats(self.first.score)
        if ahead and evaluating.fits_the_finish(self.bench, best):
            evaluating.submit(self.bench, best.solution, best.score, best.seconds)
        self.bench.house.milestone(self.bench.address.partition("/")[0] + " init", best.score)
        return best

    # --- refine ------------------------------------------------------------------------------------

    def look(self, best: Scored | None, ledger: Sequence[Attempt] = ()) -> tuple[str, ...]:
        """The analyst reads the search rows, and the incumbent's residuals once there is one."""
        if best is not None and (best.score is None or not self._unhurried(best)):
            return ()
        here = self.bench.at("look")
        return self.looked.setdefault(here.address, studying.look(here, best, tuple(ledger), self._told(best)))

    def look_once(self, best: Scored) -> Findings:
        """A look that is taken when somebody first wants to know; the others wait for what it saw."""
        return candidates.Once(lambda: self.look(best))

    def ablate(self, best: Scored) -> Study:
        """A_abl: what is each cell worth?"""
        if best.score is None:
            return Study((), ())
        slots, once = self.bench.rules.jobs, best.seconds
        room = self.bench.left()
        most = wanted = self.bench.rules.size.variants
        if room is not None:
            most = self.bench.decide("variants", int, lambda: int(min(wanted, 0.15 * room * slots / max(once, 0.1))))
        return studying.ablate(self.bench.at("ablate"), best, most) if most >= FEWEST_VARIANTS else Study((), ())

    def take(self, study: Study, best: Scored) -> Scored:
        """A variant that did better without its cell is a challenger at once."""
        for cell, variant in study.variants:
            challenger = self.at(f"without-{scripts.identifier(cell)}").evaluate(variant, best)
            best = challenger if self.better(challenger, best) else best
        return best

    def choose_target(self, best: Scored, study: Study, ledger: Sequence[Attempt]) -> Target:
        """A_extractor: the cell that promises most, by measured effect and by what was tried on it."""
        chosen = steering.target(self.bench, self._fresh("target"), best.solution.script)
        if chosen is not None:
            return chosen
        about = {"effects": study.effects, **self._told(best)}
        return self.bench.ask(roles.ChooseTarget, Target, ledger=tuple(ledger), **about)

    def plan(self, best: Scored, target: Target, findings: tuple[str, ...], ledger: Sequence[Attempt]) -> Plan | None:
        """A_planner: what to try next on the target cell, knowing every attempt so far; None when at a loss."""
        forced = steering.plan(self._fresh("model", "cell"))
        if forced is not None:
            return forced
        about = {"target": target, "findings": findings, "ledger": tuple(ledger), **self._told(best)}
        plan = self.bench.ask(roles.MakePlan, Plan, **about)
        return plan if plan.text else None

    def implement(self, start: Scored, draft: Attempt, best: Scored) -> Scored:
        """A_coder rewrites the cell of `start`, unless the planner did; the result races against the best so far."""
        plan, script = draft.plan, start.solution.script
        if draft.reason is not None:
            return self._failed(start.solution, draft.reason)
        ban = steering.banned(self.heard, plan.text, plan.recipe)
        if ban:
            return self._failed(start.solution, f"not tried: somebody forbade {ban!r}")
        reply = roles.RewrittenCells(plan.cells, "", plan.cost)
        if not plan.cells:
            reply = self.bench.ask(roles.WriteCell, roles.RewrittenCells, plan=plan, **studying.of_script(start))
        text = scripts.replace(script, dict(reply.cells))
        problems = scripts.problems(text) + steering.breaches(self.heard, text, script)
        changed = replace(evaluating.changed(start.solution, plan, reply, text), parents=(start.address,))
        if problems or text == script:
            return self._failed(changed, problems[0] if problems else "the coder changed nothing")
        return self.evaluate(changed, best)

    def record(self, plan: Plan, challenger: Scored, start: Scored, accepted: bool) -> Attempt:
        """One line of the ledger."""
        return line(self.bench, plan, challenger, start, accepted)

    def draft(self, plan: Plan, fits: bool) -> Attempt:
        """The ledger line of a plan without a result: it is being tried, or too dear for the time that is left."""
        return drafted(self.bench, plan, fits)

    # --- ensemble and finish -----------------------------------------------------------------------

    def select_greedily(self) -> Blend:
        """Round 0: greedy weights over everything in the bank."""
        return blending.select_greedily(self.bench, self.found)

    def time_for_blend(self) -> bool:
        """Whether another round fits before the finish must begin. Of texts there is none: they are only voted on."""
        return self.bench.task.profile.predicts != "text" and self.bench.fits("fits", 10.0)

    def blend(self, blends: Sequence[Blend]) -> Blend | None:
        """A_ens_planner and A_ensembler: another way to join the members, judged on pieces it has not seen."""
        plan = blending.planned(self.bench, blends, self.found, self._told(None))
        if not plan.text or steering.banned(self.heard, plan.text, plan.recipe):
            return None
        return blending.propose(self.bench, plan, blends[0])

    def choose(self, leaders: Sequence[Scored], blends: Sequence[Blend]) -> Blend:
        """The best of the leaders and the rounds."""
        every = {s.address: s for s in [*self.found.values(), *leaders, self.first]}
        best = blending.choose(self.bench, self.rank(every.values()), blends)
        self.bench.house.milestone("refine", leaders[0].score)
        self.bench.house.milestone("ensemble", best.score)
        return best

    def finalise(self, best: Blend, leaders: Sequence[Scored]) -> Final:
        """Rehearse on the sealed rows, refit on all, verify, hand over."""
        rest = self.rank({s.address: s for s in [*leaders, self.first]}.values())
        return finishing.finalise(self.bench, best, self.found, rest)

    def _told(self, best: Scored | None) -> dict[str, Any]:
        """What requests are told of solutions: of the one in hand, of the branch's, and of others'."""
        standing = studying.standing(self.rank([*self.found.values()]), self.bench.address)
        return {"standing": standing, "elsewhere": self.elsewhere, **(studying.of_script(best) if best else {})}

    def _unhurried(self, best: Scored) -> bool:
        """Whether there is time to look before the next change: it must not cost the change itself."""
        return evaluating.fits_again(self.bench, "unhurried", best, times=LOOKED)

    # --- helpers of the verbs ----------------------------------------------------------------------

    def _known(self, scored: Scored) -> Scored:
        self.found[scored.address] = scored
        return scored

    def _failed(self, solution: Solution, reason: str) -> Scored:
        return Scored(solution, self.bench.address, None, reason, ())

    def _checked(self, reply: roles.CheckedScript, best: Scored, must: bool = False) -> Scored:
        """A checker's script replaces the incumbent when it is better, or when it must."""
        self.bench.journal.note(self.bench.address, reply.finding)
        if reply.script is None or scripts.problems(reply.script):
            return best
        name = f"{best.solution.name}, {self.bench.address.rpartition('/')[2]} checked"
        changed = replace(best.solution, name=name, script=reply.script, parents=(best.address,))
        mended = self.evaluate(changed, None if must else best)
        taken = mended.score is not None if must else self.better(mended, best)
        return mended if taken else best
