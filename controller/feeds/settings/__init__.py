"""Feeds as the controller's configuration file describes them. Unknown keys are errors.

Units, paths and secrets are checked by the feed that uses them, when it is made.
"""

from controller.feeds.settings.answers import (
    AnswerSettings,
    DocumentFormat,
    FieldSettings,
    FileFeedSettings,
    HttpFeedSettings,
    LoginSettings,
    Moment,
    MqttFeedSettings,
    Text,
)
from controller.feeds.settings.feeds import FeedsSettings, ProviderFeedSettings, problems
from controller.feeds.settings.measures import Measure, TimeFormat
from controller.feeds.settings.recorded import (
    Align,
    ColumnSettings,
    RecordedFeedSettings,
    RecordedFile,
)
from controller.feeds.settings.tariffs import RateSettings, TariffSettings

__all__ = [
    "Align",
    "AnswerSettings",
    "ColumnSettings",
    "DocumentFormat",
    "FeedsSettings",
    "FieldSettings",
    "FileFeedSettings",
    "HttpFeedSettings",
    "LoginSettings",
    "Measure",
    "Moment",
    "MqttFeedSettings",
    "ProviderFeedSettings",
    "RateSettings",
    "RecordedFeedSettings",
    "RecordedFile",
    "TariffSettings",
    "Text",
    "TimeFormat",
    "problems",
]
