"""Loaders of more formats: only the choices that forms offer change, the column stays as it is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0004_load_failures")]
    operations = [
        migrations.AlterField(
            "modelversion",
            "loader",
            models.CharField(
                choices=[
                    ("transformer", "directory of safetensors and tokenizer"),
                    ("torchscript", "TorchScript program"),
                    ("export", "torch.export program"),
                    ("entry_point", "Python entry point named in the settings"),
                    ("onnx", "ONNX file"),
                    ("sklearn", "scikit-learn estimator, as skops keeps it"),
                    ("xgboost", "XGBoost model, JSON or UBJSON"),
                    ("lightgbm", "LightGBM model, text"),
                    ("pipeline", "directory of a Hugging Face pipeline"),
                    ("aotinductor", "AOTInductor package"),
                    ("folder", "folder with a model of your own"),
                ],
                max_length=16,
            ),
        )
    ]
