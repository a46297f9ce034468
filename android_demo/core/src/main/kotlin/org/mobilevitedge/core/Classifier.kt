package org.mobilevitedge.core

import java.io.Closeable
import java.nio.ByteBuffer

/** A loaded model of some runtime. Not for several threads at once. */
interface Classifier : Closeable {
    /** Name and version of what runs it, such as `ONNX Runtime 1.31.1`. */
    val runtime: String

    /** One inference: the input that [Preprocessor.tensor] makes, the outputs of one image. */
    fun run(input: ByteBuffer): FloatArray
}
