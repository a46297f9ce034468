package org.tensorflow.lite

import java.io.File
import java.nio.ByteBuffer

/** The calls that the adapter makes, with what the real ones throw. [played] stands in for the library. */
class Interpreter(modelFile: File, options: Options?) : AutoCloseable {
    private var isClosed = false

    init {
        require(modelFile.canRead()) { "Contents of $modelFile does not encode a valid TensorFlow Lite model" }
        played.threads = options?.threads
    }

    fun getOutputTensor(outputIndex: Int): Tensor {
        checkNotClosed()
        return played.outputs.getOrElse(outputIndex) { throw IllegalArgumentException("Invalid output Tensor index: $outputIndex") }
    }

    fun run(input: Any, output: Any) {
        checkNotClosed()
        input as ByteBuffer
        require(input.isDirect && input.remaining() == played.inputBytes) {
            "Cannot copy to a TensorFlowLite tensor with ${played.inputBytes} bytes from a Java Buffer with ${input.remaining()} bytes."
        }
        played.run(input, output as ByteBuffer)
    }

    override fun close() {
        isClosed = true
    }

    private fun checkNotClosed() = require(!isClosed) { "Internal error: The Interpreter has already been closed." }

    class Options {
        internal var threads = -1

        fun setNumThreads(numThreads: Int) = apply { threads = numThreads }

        fun setUseXNNPACK(useXNNPACK: Boolean) = apply { require(useXNNPACK) }
    }

    /** What the stub answers. */
    class Played(val inputBytes: Int, val outputs: List<Tensor>, val run: (ByteBuffer, ByteBuffer) -> Unit) {
        var threads: Int? = null
    }

    companion object {
        /** Not in the real API. */
        var played = Played(0, emptyList()) { _, _ -> throw UnsupportedOperationException("a stub to compile against") }
    }
}
