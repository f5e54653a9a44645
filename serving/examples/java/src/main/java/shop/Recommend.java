package shop;

import com.google.protobuf.ByteString;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.StatusRuntimeException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import shop.serving.DataType;
import shop.serving.ModelSpec;
import shop.serving.PredictRequest;
import shop.serving.PredictResponse;
import shop.serving.PredictionServiceGrpc;
import shop.serving.TensorProto;
import shop.serving.TensorShapeProto;

/** Asks `complete_cart` of a served shop and prints the offered items. */
public final class Recommend {
  private static final long DEADLINE_MILLISECONDS = 1_000;

  private Recommend() {}

  public static void main(String[] arguments) throws InterruptedException {
    String target = arguments.length > 0 ? arguments[0] : "localhost:8500";
    List<String> cart = List.of(arguments.length > 1 ? arguments[1].split(",") : new String[0]);
    // One channel for the life of the program; it connects, reconnects, and is shared by threads.
    ManagedChannel channel = ManagedChannelBuilder.forTarget(target).usePlaintext().build();
    try {
      var stub = PredictionServiceGrpc.newBlockingStub(channel);
      PredictRequest request =
          PredictRequest.newBuilder()
              .setModelSpec(ModelSpec.newBuilder().setName("shop").setSignatureName("complete_cart"))
              .putInputs("cart_item_ids", list(cart))
              .putInputs("k", number(5))
              .build();
      print(stub.withDeadlineAfter(DEADLINE_MILLISECONDS, TimeUnit.MILLISECONDS).predict(request));
    } catch (StatusRuntimeException error) {
      // UNAVAILABLE, DEADLINE_EXCEEDED, NOT_FOUND, RESOURCE_EXHAUSTED: show the shop's own list, ask again for the next
      // page. INVALID_ARGUMENT: the request is wrong; the text says where.
      System.err.println("no offers (" + error.getStatus().getCode() + "): " + error.getStatus().getDescription());
      System.exit(1);
    } finally {
      channel.shutdown().awaitTermination(1, TimeUnit.SECONDS);
    }
  }

  /** Returns one query's list `[1, 1 + n]`: the padding value, then the values. */
  private static TensorProto list(List<String> values) {
    TensorProto.Builder tensor =
        TensorProto.newBuilder()
            .setDtype(DataType.DT_STRING)
            .setTensorShape(shape(1, values.size() + 1))
            .addStringVal(ByteString.EMPTY);
    values.forEach(value -> tensor.addStringVal(ByteString.copyFromUtf8(value)));
    return tensor.build();
  }

  /** Returns one query's number `[1]`. */
  private static TensorProto number(int value) {
    return TensorProto.newBuilder()
        .setDtype(DataType.DT_INT32)
        .setTensorShape(shape(1))
        .addIntVal(value)
        .build();
  }

  private static TensorShapeProto shape(long... sizes) {
    TensorShapeProto.Builder shape = TensorShapeProto.newBuilder();
    for (long size : sizes) {
      shape.addDim(TensorShapeProto.Dim.newBuilder().setSize(size));
    }
    return shape.build();
  }

  /** Returns the floats of an output: as bytes, little-endian, or as a list; a list of one stands for all places. */
  private static float floatAt(TensorProto tensor, int place) {
    if (!tensor.getTensorContent().isEmpty()) {
      return tensor
          .getTensorContent()
          .asReadOnlyByteBuffer()
          .order(java.nio.ByteOrder.LITTLE_ENDIAN)
          .asFloatBuffer()
          .get(place);
    }
    int num = tensor.getFloatValCount();
    return num == 0 ? 0 : tensor.getFloatVal(Math.min(place, num - 1));
  }

  private static void print(PredictResponse response) {
    var outputs = response.getOutputsMap();
    List<ByteString> items = outputs.get("item_ids").getStringValList();
    for (int place = 0; place < items.size(); place++) {
      String item = items.get(place).toStringUtf8();
      if (item.isEmpty()) {
        break; // behind the end of a short row
      }
      System.out.printf(
          java.util.Locale.ROOT,
          "%s\t%.4f\t%.2f\t%s\t%s%n",
          item,
          floatAt(outputs.get("scores"), place),
          floatAt(outputs.get("prices"), place),
          outputs.get("reasons").getStringVal(place).toStringUtf8(),
          outputs.get("reason_item_ids").getStringVal(place).toStringUtf8());
    }
  }
}
