"""The look-up in FastAPI, SQLAlchemy's async ORM and redis.asyncio: models, a response model, the cache around it."""
# ruff: noqa: ANN001, ANN201, RUF012 -- written as those frameworks are

import os
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from urllib.parse import parse_qs, unquote, urlsplit

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from redis.asyncio import Redis
from sqlalchemy import URL, BigInteger, DateTime, ForeignKey, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

from bench.peers import words

DATABASE = urlsplit(os.environ["PEER_DATABASE_URL"])
CACHED = os.environ.get("PEER_CACHE", "on") == "on"


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True)}


class Agency(Base):
    __tablename__ = "agency"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str]
    name: Mapped[str]
    phone: Mapped[str]
    address: Mapped[str]
    disclosure: Mapped[str]
    feed: Mapped["Feed"] = relationship(uselist=False)


class Feed(Base):
    __tablename__ = "feed"
    agency_id: Mapped[int] = mapped_column(ForeignKey("agency.id"), primary_key=True)
    heard_at: Mapped[datetime]


class Dossier(Base):
    __tablename__ = "dossier"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    code: Mapped[str]
    status: Mapped[int]
    due_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime]
    resolving_agency: Mapped[int] = mapped_column(ForeignKey("agency.id"))
    agency: Mapped[Agency] = relationship()


class DossierCode(Base):
    __tablename__ = "dossier_code"
    code: Mapped[str] = mapped_column(primary_key=True)
    test: Mapped[bool] = mapped_column(primary_key=True)
    dossier_id: Mapped[int] = mapped_column(ForeignKey("dossier.id"))
    dossier: Mapped[Dossier] = relationship()


class AgencyOut(BaseModel):
    code: str
    name: str
    phone: str
    address: str


class AnswerOut(BaseModel):
    code: str
    stage: str
    stage_label: str
    on_time: bool
    due_on: date | None
    agency: AgencyOut
    next: str
    as_of: datetime
    fresh: bool


engine = create_async_engine(
    URL.create(
        "postgresql+asyncpg",
        username=DATABASE.username,
        password=DATABASE.password,
        database=DATABASE.path.lstrip("/"),
        query={"host": unquote(parse_qs(DATABASE.query)["host"][0])},
    ),
    pool_size=8,
    max_overflow=0,
    connect_args={"server_settings": {"role": "motma_public", "jit": "off"}},
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
redis = Redis.from_url(os.environ["PEER_REDIS_URL"])


@asynccontextmanager
async def lifespan(_app):
    yield
    await redis.aclose()
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/api/v1/lookup/{code}")
async def lookup(code: str) -> AnswerOut:
    key = f"fastapi:{code}"
    if CACHED and (cached := await redis.get(key)):
        return AnswerOut.model_validate_json(cached)
    async with sessions() as session:
        found = await session.scalar(
            select(DossierCode)
            .where(DossierCode.code == code, DossierCode.test.is_(False))
            .options(
                joinedload(DossierCode.dossier).joinedload(Dossier.agency).joinedload(Agency.feed),
            )
        )
    if found is None:
        raise HTTPException(404)
    dossier, agency = found.dossier, found.dossier.agency
    now = datetime.now(UTC)
    as_of = words.as_of(dossier.recorded_at, agency.feed.heard_at if agency.feed else None)
    answer = AnswerOut(
        code=dossier.code,
        stage=words.STAGES[dossier.status],
        stage_label=words.LABELS[dossier.status],
        on_time=words.on_time(dossier.status, dossier.due_at, dossier.finished_at, now),
        due_on=words.due_on(agency.disclosure, dossier.due_at),
        agency=AgencyOut(code=agency.code, name=agency.name, phone=agency.phone, address=agency.address),
        next=words.NEXT[dossier.status],
        as_of=as_of,
        fresh=now - as_of <= words.SILENCE,
    )
    if CACHED:
        await redis.set(key, answer.model_dump_json(), ex=words.CACHED_SECONDS)
    return answer
