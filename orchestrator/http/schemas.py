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
    status: Literal["healthy", "degraded", "unhealthy"]
    timestamp: datetime
    uptime: float = Field(description="seconds")
    version: str
    services: dict[str, Service]
    instances: InstanceCounts
    streams: StreamCounts


class Instance(BaseModel):
    id: str
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


# -- server: server_id; asks for streams, gives them back, compares ----------------------------------------------------


class ServerRegistration(BaseModel):
    server_id: InstanceId
    ip: Text | None = None
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    max_streams: MaxStreams


class ServerRegistered(BaseModel):
    status: Literal["registered"]
    server_id: str
    max_streams: int


class SystemMetrics(BaseModel):
    cpu_percent: Percentage | None = None
    memory_percent: Percentage | None = None
    cpu_usage: Percentage | None = None
    memory_usage: Percentage | None = None


class ServerBeat(BaseModel):
    server_id: InstanceId
    current_streams: Count | StreamIds | None = None
    status: Text | None = None
    system_metrics: SystemMetrics | None = None


class ServerAcknowledged(BaseModel):
    status: Literal["heartbeat_updated"]


class Ask(BaseModel):
    server_id: InstanceId
    requested_count: Count


class Assigned(BaseModel):
    status: Literal["assigned", "no_capacity", "no_streams"]
    assigned_streams: list[int]
    count: int | None = None
    message: str | None = None


class Release(BaseModel):
    server_id: InstanceId
    stream_ids: StreamIds


class Released(BaseModel):
    status: Literal["released", "no_streams_to_release"]
    released_streams: list[int]


class ServerData(BaseModel):
    server_id: str
    max_streams: int
    current_streams: int
    status: str
    last_heartbeat: datetime
    assigned_streams: list[int]


class ServerAnswer(BaseModel):
    status: Literal["success"]
    data: ServerData


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
    orchestrator_status: Literal["running"]
    instances: StatusInstances
    streams: StatusStreams
    load_percentage: float


class DiagnosticRequest(BaseModel):
    server_id: InstanceId
    local_streams: StreamIds
    local_stream_count: Count | None = None


class Inconsistencies(BaseModel):
    streams_only_in_local: list[int]
    streams_only_in_orchestrator: list[int]


class Diagnostic(BaseModel):
    is_synchronized: bool
    synchronization_status: Literal["synchronized", "out_of_sync"]
    inconsistencies: Inconsistencies
    recommendations: list[str]


# -- worker: the paths under /api --------------------------------------------------------------------------------------


class WorkerMetadata(BaseModel):
    version: Text | None = None
    capabilities: list[Text] | None = None
    region: Text | None = None


class WorkerRegistration(BaseModel):
    instance_id: InstanceId
    worker_type: Any = None
    capacity: MaxStreams
    ip: Text | None = None
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    status: Text | None = None
    metadata: WorkerMetadata | None = None


class WorkerRegistered(BaseModel):
    success: Literal[True]


class WorkerBeat(BaseModel):
    worker_instance_id: InstanceId
    status: Text | None = None
    current_load: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    available_capacity: Any = None
    metrics: SystemMetrics | None = None


class WorkerAcknowledged(BaseModel):
    status: Literal["acknowledged"]


class Station(BaseModel):
    stream_id: int
    name: str
    url: str


class WorkerAssigned(Assigned):
    streams: list[Station]


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
