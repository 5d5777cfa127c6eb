"""Loaders of formats of other libraries: ONNX, scikit-learn, XGBoost, LightGBM, pipelines, AOTInductor."""
