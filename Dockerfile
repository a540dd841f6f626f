# The page of `zeroshot app` in a container:
#
#     docker build -t zeroshot .
#     docker run --rm --network host zeroshot
#
# The page speaks to its own machine only, hence the host's network. Any command goes as well:
#
#     docker run --rm -v "$PWD:/pictures" zeroshot denoise photo.png
#
# PIP_EXTRA_INDEX_URL may name where PyTorch keeps its builds without CUDA, which are a tenth of the size.
FROM python:3.12-slim
ARG PIP_EXTRA_INDEX_URL
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir '.[app,formats]' && rm -rf /source
RUN useradd --create-home painter
USER painter
WORKDIR /pictures
ENTRYPOINT ["zeroshot"]
CMD ["app", "--no-browser"]
