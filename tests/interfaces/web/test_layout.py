import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lineal.interfaces.web.layout import GAP, NARROWEST, ROW, WIDEST, place
from lineal.records.graph import GENERATED, USED, Edge, Graph, Node


def graph(edges: list[tuple[int, int]], count: int) -> Graph:
    nodes = tuple(Node(id=str(number), kind="run" if number % 2 else "file", label=str(number)) for number in range(count))
    ties = tuple(Edge(source=str(after), target=str(before), relation=USED if after % 2 else GENERATED) for before, after in edges)
    return Graph(nodes=nodes, edges=ties)


acyclic = st.integers(1, 30).flatmap(
    lambda count: st.tuples(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).map(sorted).filter(lambda pair: pair[0] != pair[1]), max_size=60),
        st.just(count),
    )
)


@given(acyclic)
def test_causes_stand_left_and_nothing_overlaps(drawn: tuple[list[list[int]], int]) -> None:
    edges, count = drawn
    placed = place(graph([(before, after) for before, after in edges], count))
    assert len(placed.at) == count
    for before, after in edges:
        assert placed.at[str(before)][0] < placed.at[str(after)][0]
    for column in {x for x, _ in placed.at.values()}:
        heights = sorted(y for x, y in placed.at.values() if x == column)
        assert all(below - above >= ROW - 1 for above, below in pairwise(heights))
    assert min(y for _, y in placed.at.values()) == 0
    assert placed.width == max(placed.at[key][0] + width for key, width in placed.widths.items())


def test_a_chain_is_a_straight_line() -> None:
    placed = place(graph([(0, 1), (1, 2), (2, 3)], 4))
    assert [placed.at[str(number)] for number in range(4)] == [(number * (NARROWEST + GAP), 0) for number in range(4)]


def test_a_column_is_as_wide_as_its_longest_label() -> None:
    nodes = tuple(Node(id=label, kind="file", label=label) for label in ("out/model.skops", "b", "x" * 60))
    placed = place(Graph(nodes=nodes, edges=(Edge(source="b", target="out/model.skops", relation=USED),)))
    assert NARROWEST < placed.widths["out/model.skops"] <= WIDEST
    assert placed.widths["x" * 60] == WIDEST
    assert placed.at["b"][0] == placed.widths["out/model.skops"] + GAP


def test_a_source_stands_beside_its_first_use() -> None:
    placed = place(graph([(0, 1), (1, 2), (2, 3), (4, 3)], 5))
    assert placed.at["4"][0] == placed.at["2"][0]


def test_the_same_graph_is_placed_the_same() -> None:
    chance = random.Random(1)
    edges = [(number // 3, number) for number in range(1, 200)] + [(chance.randrange(100), 100 + chance.randrange(100)) for _ in range(50)]
    assert place(graph(edges, 200)) == place(graph(edges, 200))


def test_five_thousand_in_one_column_need_no_recursion() -> None:
    placed = place(graph([(0, number) for number in range(1, 5000)], 5000))
    assert placed.height == 4999 * ROW
