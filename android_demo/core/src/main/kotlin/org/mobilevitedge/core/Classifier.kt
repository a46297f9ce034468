package org.mobilevitedge.core

import java.io.Closeable
import java.nio.ByteBuffer

/** A loaded model of some runtime. Not for several threads at once. */
interface Classifier : Closeable {
    /** What runs it, such as `ONNX Runtime`. */
    val runtime: String

    /** Of the runtime, such as `1.31.1`; null if it does not tell. */
    val version: String?

    /** What it computes on, as reports name it: `cpu` or `npu`. */
    val unit: String
        get() = CPU

    /**
     * One inference: the input that [Preprocessor.tensor] makes, the outputs of one image in their order; whole numbers
     * as floats, which hold those of any class.
     *
     * @throws BundleException if the runtime refuses the model or the input.
     */
    fun run(input: ByteBuffer): FloatArray

    companion object {
        const val CPU = "cpu"
        const val NPU = "npu"
    }
}
