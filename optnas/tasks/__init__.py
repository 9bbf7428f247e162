"""Tasks: the data, loss and metrics that a network is trained and measured by."""

from optnas.answers.anomalies import anomaly_scores
from optnas.answers.centers import detected
from optnas.answers.decoding import beam_search
from optnas.answers.denoising import ddim
from optnas.answers.symbols import transcribed
from optnas.tasks.adversarial import Adversarial, adversarial
from optnas.tasks.anomaly_detection import AnomalyDetection, anomaly_detection
from optnas.tasks.classification import Classification, classification
from optnas.tasks.detection import Detection, detection
from optnas.tasks.diffusion import Diffusion, diffusion
from optnas.tasks.forecasting import Forecasting, forecasting
from optnas.tasks.language import Language, language
from optnas.tasks.recommending import Recommending, recommending
from optnas.tasks.regression import Regression, regression
from optnas.tasks.reinforcement import Reinforcement, reinforcement
from optnas.tasks.segmentation import Segmentation, segmentation
from optnas.tasks.seq2seq import Seq2Seq, seq2seq
from optnas.tasks.transcription import Transcription, transcription
from optnas.train.task import Step, Task

__all__ = [
    "Adversarial",
    "AnomalyDetection",
    "Classification",
    "Detection",
    "Diffusion",
    "Forecasting",
    "Language",
    "Recommending",
    "Regression",
    "Reinforcement",
    "Segmentation",
    "Seq2Seq",
    "Step",
    "Task",
    "Transcription",
    "adversarial",
    "anomaly_detection",
    "anomaly_scores",
    "beam_search",
    "classification",
    "ddim",
    "detected",
    "detection",
    "diffusion",
    "forecasting",
    "language",
    "recommending",
    "regression",
    "reinforcement",
    "segmentation",
    "seq2seq",
    "transcribed",
    "transcription",
]
