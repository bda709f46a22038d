import pytest

from tools.deployment import Deployment
from tools.grants import COSMOS, GRAPH, grants_of


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return Deployment.of("local")


def test_the_pipeline_may_write_documents_and_move_mail(deployment: Deployment) -> None:
    grants = grants_of("pipeline", deployment)
    assert "Mail.ReadWrite" in grants[GRAPH]
    assert {"targets:items/replace", "incidents:executeQuery", "activity:readMetadata"} <= set(grants[COSMOS[0]])
    # Nothing deletes: history is kept.
    assert not any(role.endswith("items/delete") for role in grants[COSMOS[0]])


def test_the_web_app_touches_no_mailbox_and_only_reads_documents(deployment: Deployment) -> None:
    grants = grants_of("web", deployment)
    assert grants[GRAPH] == []
    actions = {role.partition(":")[2] for role in grants[COSMOS[0]]}
    assert actions <= {"readMetadata", "executeQuery", "items/read"}
    assert actions


def test_both_of_cosmos_db_s_audiences_give_the_same_rights(deployment: Deployment) -> None:
    grants = grants_of("pipeline", deployment)
    assert grants[COSMOS[0]] == grants[COSMOS[1]]
