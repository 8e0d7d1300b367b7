"""The tree of the test proxy against a model so simple that it is plainly right: dictionaries, copied and compared."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest
from examples import examples
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from proxy import Code, ServerError
from proxy.copying import CopyOptions
from proxy.master import Master
from proxy.resolving import Call
from proxy.system_attributes import users

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTORIES = ("//home/p", "//home/q")
Place = tuple[str, str]
"""A directory and a key in it, or a directory and `@` with an attribute's name."""

directories = st.sampled_from(DIRECTORIES)
keys = st.sampled_from(["a", "b", "@x", "@y"])
children = st.sampled_from(["a", "b"])
numbers = st.integers(0, 9)
picks = st.integers(0, 50)


class ModelTransaction:
    """What a transaction changed, and which places it touched; the trunk is one that never ends."""

    def __init__(self, parent: ModelTransaction | None, transaction_id: str | None) -> None:
        self.parent = parent
        self.id = transaction_id
        self.changes: dict[Place, int | None] = {}
        self.touched: set[Place] = set()

    def within(self, other: ModelTransaction) -> bool:
        """Tell whether this is the other one or nested in it."""
        return self is other or (self.parent is not None and self.parent.within(other))

    def view(self) -> dict[Place, int]:
        """Give what it sees."""
        seen = {} if self.parent is None else self.parent.view()
        for place, value in self.changes.items():
            if value is None:
                seen.pop(place, None)
            else:
                seen[place] = value
        return seen


class Transactions(RuleBasedStateMachine):
    """Random changes in and outside of nested transactions: same views, same conflicts, nothing left over."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.master = Master(self.directory.name, clock=lambda: 0.0)
        self.trunk = ModelTransaction(None, None)
        self.live: list[ModelTransaction] = [self.trunk]

    def teardown(self) -> None:
        for each in [each for each in self.live if each.parent is self.trunk]:
            self.master.transacting.abort(str(each.id))
        assert self.master.tree.transactions == {}
        assert self.master.tree.locks.locks == {}
        assert all(not node.branches and not node.acquired for node in self.master.tree.nodes.values())
        self.master.verbs.remove("//home/*", Call("root"))
        assert len(self.master.tree.nodes) == 4
        self.directory.cleanup()

    @initialize()
    def make_directories(self) -> None:
        for path in DIRECTORIES:
            self.master.verbs.create("map_node", path, Call("root"))
        self.nodes = len(self.master.tree.nodes)

    def call(self, transaction: ModelTransaction) -> Call:
        return Call("tester", self.master.tree.transaction(transaction.id))

    def pick(self, number: int) -> ModelTransaction:
        return self.live[number % len(self.live)]

    def attempt(self, who: ModelTransaction, places: set[Place], action: Callable[[], object]) -> bool:
        """Do something that touches some places; give whether it should have and has succeeded."""
        taken = any(places & other.touched and not who.within(other) for other in self.live if other is not self.trunk)
        if not taken:
            action()
            if who is not self.trunk:
                who.touched |= places
            return True
        with pytest.raises(ServerError) as error:
            action()
        assert error.value.contains(Code.CONCURRENT_TRANSACTION_LOCK_CONFLICT)
        return False

    @rule(parent=picks)
    @precondition(lambda self: len(self.live) < 7)
    def begin(self, parent: int) -> None:
        around = self.pick(parent)
        started = self.master.transacting.start(self.call(around))
        self.live.append(ModelTransaction(around, started.id))

    @rule(number=picks, committed=st.booleans())
    @precondition(lambda self: len(self.live) > 1)
    def end(self, number: int, *, committed: bool) -> None:
        ending = self.live[1:][number % (len(self.live) - 1)]
        if committed:
            self.master.transacting.commit(str(ending.id))
            assert ending.parent is not None
            ending.parent.changes.update(ending.changes)
            if ending.parent is self.trunk:
                self.trunk.changes = dict(self.trunk.view())
            else:
                ending.parent.touched |= ending.touched
        else:
            self.master.transacting.abort(str(ending.id))
        self.live = [each for each in self.live if not each.within(ending)]

    @rule(number=picks, directory=directories, key=keys, value=numbers)
    def put(self, number: int, directory: str, key: str, value: int) -> None:
        who = self.pick(number)
        path = f"{directory}/{key}"
        if self.attempt(who, {(directory, key)}, lambda: self.master.verbs.set(path, value, self.call(who))):
            who.changes[(directory, key)] = value

    @rule(number=picks, directory=directories, key=keys)
    def take_away(self, number: int, directory: str, key: str) -> None:
        who = self.pick(number)
        path = f"{directory}/{key}"
        if (directory, key) not in who.view():
            with pytest.raises(ServerError) as error:
                self.master.verbs.remove(path, self.call(who))
            assert error.value.contains(Code.RESOLVE)
        elif self.attempt(who, {(directory, key)}, lambda: self.master.verbs.remove(path, self.call(who))):
            who.changes[(directory, key)] = None

    @rule(number=picks, source=directories, key=children, destination=directories, new=children, move=st.booleans())
    def bring(self, number: int, source: str, key: str, destination: str, new: str, *, move: bool) -> None:
        who = self.pick(number)
        view = who.view()
        if (source, key) not in view or (source, key) == (destination, new):
            return
        places = {(destination, new), *({(source, key)} if move else ())}
        options = CopyOptions(force=True)
        done = self.attempt(
            who,
            places,
            lambda: self.master.verbs.copy(
                f"{source}/{key}", f"{destination}/{new}", self.call(who), options, move=move
            ),
        )
        if done:
            who.changes[(destination, new)] = view[(source, key)]
            if move:
                who.changes[(source, key)] = None

    @invariant()
    def everybody_sees_what_the_model_says(self) -> None:
        for who in self.live:
            call = self.call(who)
            seen: dict[Place, object] = {}
            for directory in DIRECTORIES:
                if not self.master.verbs.exists(directory, call):
                    continue
                found = self.master.verbs.get(directory, call)
                assert isinstance(found, dict)
                seen |= {(directory, key): value for key, value in found.items()}
                node = self.master.tree.existing(directory, call, "Get")
                custom = users(node, call)
                seen |= {(directory, f"@{name}"): value for name, value in custom.items()}
            assert seen == who.view()

    @invariant()
    def nodes_are_those_that_somebody_can_see(self) -> None:
        if len(self.live) == 1:
            assert len(self.master.tree.nodes) == self.nodes + sum("@" not in key for _, key in self.trunk.view())
            assert self.master.tree.locks.locks == {}


TestTransactions = Transactions.TestCase
TestTransactions.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
