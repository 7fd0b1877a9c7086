"""Asks Levee's scaler what KEDA asks, with Google's gRPC instead of ours.

    ask.py STUBS ADDRESS SERVER

STUBS is the folder with what protoc made of externalscaler.proto. At ADDRESS three gates each use
701 of 1,000 sockets (the example `scaler` of levee-link); at SERVER is a `levee serve --scaler`.
"""

import math
import sys
import time

import grpc

sys.path.insert(0, sys.argv[1])
import externalscaler_pb2 as messages  # noqa: E402
import externalscaler_pb2_grpc as stubs  # noqa: E402

PATIENCE_S = 30


def ref(**metadata):
    own = {"scalerAddress": "levee:9090"}
    return messages.ScaledObjectRef(
        name="gates", namespace="shop", scalerMetadata={**own, **metadata}
    )


def wanted(scaler, **metadata):
    request = messages.GetMetricsRequest(scaledObjectRef=ref(**metadata), metricName="levee-gates")
    response = scaler.GetMetrics(request, timeout=PATIENCE_S)
    (value,) = response.metricValues
    assert value.metricName == "levee-gates", value
    assert value.metricValue == value.metricValueFloat, value
    return value.metricValueFloat


def awaited(scaler, number, **metadata):
    """The scaler reads its gates once a second, and wants three readings to agree."""
    end = time.monotonic() + PATIENCE_S
    while (got := wanted(scaler, **metadata)) != number:
        assert time.monotonic() < end, f"{got} gates are wanted of {metadata}, not {number}"
        time.sleep(0.05)


def refused(code, words, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        assert words in error.details(), error
    else:
        raise AssertionError(f"not refused: {words}")


def interface(scaler):
    """What any server says, whatever its gates do."""
    assert scaler.IsActive(ref(), timeout=PATIENCE_S).result
    (spec,) = scaler.GetMetricSpec(ref(), timeout=PATIENCE_S).metricSpecs
    assert (spec.metricName, spec.targetSize, spec.targetSizeFloat) == ("levee-gates", 1, 1.0), spec
    stream = scaler.StreamIsActive(ref(), timeout=PATIENCE_S)
    assert next(stream).result
    stream.cancel()
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    for metadata, words in [
        ({"loopDelay": "5"}, "scalerMetadata.loopDelay "),
        ({"windowS": "soon"}, "scalerMetadata.windowS "),
        ({"region": ""}, "scalerMetadata.region "),
    ]:
        refused(invalid, words, lambda: scaler.IsActive(ref(**metadata), timeout=PATIENCE_S))
        refused(invalid, words, lambda: scaler.GetMetricSpec(ref(**metadata), timeout=PATIENCE_S))
        refused(invalid, words, lambda: wanted(scaler, **metadata))
        refused(invalid, words, lambda: next(scaler.StreamIsActive(ref(**metadata))))
    return spec.targetSizeFloat


def main():
    _, _, address, server = sys.argv
    with grpc.insecure_channel(address) as channel:
        scaler = stubs.ExternalScalerStub(channel)
        target = interface(scaler)
        # 70% of 1,000 sockets are 700: one more at each of three gates asks for a fourth.
        awaited(scaler, 4)
        assert math.ceil(wanted(scaler) / target) == 4, "as Kubernetes counts"
        awaited(scaler, 2, region="west")
        awaited(scaler, 3, region="east", socketsPercent="70")
        unavailable = grpc.StatusCode.UNAVAILABLE
        refused(unavailable, "no gate", lambda: wanted(scaler, region="north"))
    with grpc.insecure_channel(server) as channel:
        interface(stubs.ExternalScalerStub(channel))
    print("KEDA's questions are answered")


main()
