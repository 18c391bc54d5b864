"""What the routes take and give, for the OpenAPI document. The SQL functions check it; nothing here does.

Keys that a request has beyond these are ignored: deployed clients send more.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from orchestrator.names import NAME_PATTERN

InstanceId = Annotated[str, Field(pattern=NAME_PATTERN)]
Text = Annotated[str, Field(max_length=200)]
MaxStreams = Annotated[int, Field(ge=1, le=1000)]
StreamId = Annotated[int, Field(ge=0, le=2**63 - 1)]
StreamIds = Annotated[list[StreamId], Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Total = Annotated[int, Field(ge=0, le=10**15)]
Percentage = Annotated[float, Field(ge=0, le=100_000)]
Moment = datetime | Annotated[float, Field(description="seconds since 1970")]


# -- main: instance_id; commands come with the beats -------------------------------------------------------------------


class Registration(BaseModel):
    instance_id: InstanceId
    max_streams: MaxStreams
    capabilities: (
        Annotated[list[Text], Field(json_schema_extra={"contains": {"const": "audio_fingerprinting"}})] | None
    ) = None
    version: Text | None = None
    location: Text | None = None
    status: Text | None = None


class Registered(BaseModel):
    status: Literal["registered"]
    instance_id: str
    assigned_streams: int
    heartbeat_interval: float = Field(description="seconds")
    next_assignment_check: datetime


class Beat(BaseModel):
    instance_id: InstanceId
    timestamp: Moment | None = None
    status: Text | None = None
    current_streams: Annotated[
        Count | StreamIds | None, Field(description="how many streams the instance has, or which")
    ] = None
    processed_count: Total | None = None
    error_count: Total | None = None
    cpu_usage: Percentage | None = None
    memory_usage: Percentage | None = None
    last_activity: Moment | None = None
    round_trip: Annotated[float, Field(ge=0, le=86_400, description="seconds that the beat before took")] | None = None


class Command(BaseModel):
    type: Literal["stream_update"]
    stream_id: int
    action: Literal["add", "remove"]


class Acknowledged(BaseModel):
    status: Literal["acknowledged"]
    next_heartbeat: datetime
    commands: list[Command]


class Service(BaseModel):
    status: Literal["healthy", "degraded", "unhealthy"]
    response_time: float | None = Field(description="milliseconds")
    finding: str | None = None


class InstanceCounts(BaseModel):
    total: int
    active: int
    inactive: int
    warning: int


class StreamCounts(BaseModel):
    total: int
    assigned: int
    unassigned: int
    processing: int


class Health(BaseModel):
    status: Literal["healthy", "limited", "unhealthy"]
    timestamp: datetime
    uptime: float = Field(description="seconds")
    version: str
    services: dict[str, Service]
    instances: InstanceCounts
    streams: StreamCounts


class Instance(BaseModel):
    id: str
    server_id: str
    ip: str | None
    port: int | None
    status: str
    registered_at: datetime
    last_heartbeat: datetime
    max_streams: int
    current_streams: int
    load_percentage: float
    processed_total: int
    errors_total: int
    performance_score: float = Field(description="the part of its work that succeeds, 0 to 1")
    location: str | None
    version: str | None


class InstancesSummary(BaseModel):
    total_instances: int
    total_capacity: int
    total_assigned: int
    average_load: float = Field(description="percent of the capacity")
    system_imbalance: float = Field(description="percentage points between the highest load and the lowest")


class Instances(BaseModel):
    instances: list[Instance]
    summary: InstancesSummary


class StreamTotals(BaseModel):
    total: int
    active: int
    inactive: int
    assigned: int
    unassigned: int


class Share(BaseModel):
    instance_id: str
    assigned_streams: int
    stream_ids: list[int]
    last_updated: datetime


class Change(BaseModel):
    timestamp: datetime
    action: str
    details: dict[str, Any]
    reason: str | None


class StreamsStatus(BaseModel):
    streams: StreamTotals
    distribution: list[Share]
    recent_changes: list[Change]


class Metrics(BaseModel):
    system_metrics: dict[str, Any]
    stream_metrics: dict[str, Any]
    instance_metrics: dict[str, Any]
    rebalancing_metrics: dict[str, Any]


class RebalanceRequest(BaseModel):
    reason: Text | None = None


class Move(BaseModel):
    stream_id: int
    from_: str | None = Field(alias="from")
    to: str | None


class Rebalanced(BaseModel):
    status: Literal["rebalanced", "balanced"]
    message: str
    moved_streams: int
    least_moves: int
    still_waiting: int
    moves: list[Move]
    event_id: str


# -- clients that ask for their streams: server_id, or the paths under /api --------------------------------------------
# They are read as well as can be: an odd value is none. The models say what is understood.

ClientName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Loose = Any
"""A number, as a number or as text; anything else is none."""


class ServerRegistration(BaseModel):
    server_id: ClientName
    ip: Loose = None
    port: Loose = None
    max_streams: Loose = None


class ClientRegistered(BaseModel):
    status: Literal["registered"]
    success: Literal[True]
    server_id: str
    worker_id: str
    max_streams: int
    message: str


class ServerBeat(BaseModel):
    server_id: ClientName
    current_streams: Loose = None
    status: Loose = None
    system_metrics: Loose = None


class ServerAcknowledged(BaseModel):
    success: Literal[True]
    status: Literal["heartbeat_updated"]
    message: str


class Ask(BaseModel):
    server_id: ClientName
    requested_count: Loose = None


class Assigned(BaseModel):
    success: Literal[True]
    status: Literal["assigned", "no_capacity", "no_streams"]
    assigned_streams: list[int] = Field(description="ids of the source")
    count: int
    message: str


class Release(BaseModel):
    server_id: ClientName
    stream_ids: Loose = None


class Released(BaseModel):
    success: Literal[True]
    status: Literal["released", "no_streams_to_release"]
    released_streams: list[Any] = Field(description="as they were sent")


class ServerData(BaseModel):
    server_id: str
    max_streams: int
    current_streams: int
    status: str
    registered_at: datetime
    last_heartbeat: datetime
    assigned_streams: list[int]


class ServerAnswer(BaseModel):
    status: Literal["success"]
    data: ServerData


class ActiveInstance(BaseModel):
    server_id: str
    max_streams: int
    current_streams: int
    status: str


class StatusInstances(BaseModel):
    total: int
    active: int
    total_capacity: int
    current_load: int


class StatusStreams(BaseModel):
    assigned: int
    available: int
    total: int


class Status(BaseModel):
    orchestrator_status: Literal["active"]
    instances: StatusInstances
    streams: StatusStreams
    active_instances: list[ActiveInstance]
    load_percentage: float


class DiagnosticRequest(BaseModel):
    server_id: ClientName
    local_streams: Loose = None
    local_stream_count: Loose = None


class Inconsistencies(BaseModel):
    streams_only_in_local: list[int]
    streams_only_in_orchestrator: list[int]
    count_mismatch: bool


class StateSide(BaseModel):
    stream_count: int | None
    streams: list[int]


class Diagnostic(BaseModel):
    success: Literal[True]
    server_id: str
    is_synchronized: bool
    synchronization_status: Literal["OK", "INCONSISTENT"]
    inconsistencies: Inconsistencies
    streams_in_sync: list[int]
    local_state: StateSide
    orchestrator_state: StateSide
    instance_info: dict[str, Any] | None
    recommendations: list[str]


class WorkerRegistration(BaseModel):
    instance_id: ClientName
    worker_type: Any = None
    capacity: Loose = None
    ip: Loose = None
    port: Loose = None
    status: Loose = None
    metadata: Loose = None


class WorkerBeat(BaseModel):
    worker_instance_id: ClientName
    status: Loose = None
    current_load: Loose = None
    available_capacity: Any = None
    metrics: Loose = None


class WorkerAcknowledged(BaseModel):
    success: Literal[True]
    status: Literal["acknowledged"]
    message: str


class Station(BaseModel):
    stream_id: str = Field(description="id of the source")
    id: int
    name: str
    url: str
    stream_url: str


class WorkerAssigned(Assigned):
    streams: list[Station]


class StreamUpdate(BaseModel):
    worker_instance_id: ClientName
    stream_id: Loose = None
    status: Loose = Field(None, description="processing, completed, failed or cancelled")


class Done(BaseModel):
    success: Literal[True]
    message: str


class WorkerRow(BaseModel):
    instance_id: str
    worker_type: str
    status: str
    capacity: int
    current_load: int
    available_capacity: int
    last_heartbeat: datetime
    registered_at: datetime


class Workers(BaseModel):
    workers: list[WorkerRow]
    total: int


class WorkerMetrics(BaseModel):
    orchestrator: dict[str, Any]
    workers: dict[str, Any]
    streams: dict[str, Any]


class Streams(BaseModel):
    status: Literal["success"]
    total: int
    streams: list[dict[str, Any]] = Field(description="ten at most")
    timestamp: datetime


class AssignmentRow(BaseModel):
    stream_id: int
    server_id: str
    assigned_at: datetime
    status: Literal["active"]
    ip: str | None
    port: int | None


class Assignments(BaseModel):
    assignments: list[AssignmentRow]


class SourceTest(BaseModel):
    status: Literal["success", "error"]
    message: str
    database: str | None
    table: str | None
    total_streams: int
    timestamp: datetime


class Ready(BaseModel):
    status: Literal["ready", "not_ready"]
    message: str


# -- all ---------------------------------------------------------------------------------------------------------------


class ProblemBody(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str | None = None
    code: str | None = Field(None, description="the SQLSTATE: OR… where the orchestrator itself refuses")
    context: dict[str, Any] | None = None
    request_id: str | None = None


class Alive(BaseModel):
    status: Literal["alive", "ready"]
