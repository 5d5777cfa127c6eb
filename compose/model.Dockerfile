# The image of workers whose models have libraries of their own: the worker's image, with an environment in it.
#   docker build -f compose/model.Dockerfile --build-arg MODEL=my_model -t my-model ../models
# MODEL is a folder of this build's context (here ../models; the project's own sends nothing but its code), with a requirements.txt of hashed requirements. Its service in compose.yaml is as
# gpu-worker, but for these two:
#   image: my-model
#   command: ["python", "manage.py", "gpu_worker", "--gpu", "0", "--models", "my_model", "--index", "1", "--env", "model"]
FROM inference-worker

ARG MODEL
USER root
RUN install --directory --owner inference /envs /models
USER inference
ENV ENVS_DIR=/envs MODEL_DIR=/models PYTHONPATH=/models
# Before the model itself, so that a change of its code installs nothing again.
COPY ${MODEL}/requirements.txt /models/${MODEL}/requirements.txt
RUN PIP_NO_CACHE_DIR=1 python manage.py make_env model --requirements /models/${MODEL}/requirements.txt
COPY ${MODEL} /models/${MODEL}
