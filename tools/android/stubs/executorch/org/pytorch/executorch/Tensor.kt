package org.pytorch.executorch

import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.FloatBuffer
import java.nio.IntBuffer

/** Like the real one, of which each type is a class of its own. */
class Tensor private constructor(private val data: Buffer, val shape: LongArray) {
    val dataAsFloatArray: FloatArray
        get() {
            val floats = data as? FloatBuffer ?: throw IllegalStateException("Tensor of type Tensor_uint8 cannot return data as float array.")
            return FloatArray(floats.remaining()).also(floats.duplicate()::get)
        }

    val dataAsIntArray: IntArray
        get() {
            val whole = data as? IntBuffer ?: throw IllegalStateException("Tensor of type Tensor_float32 cannot return data as int array.")
            return IntArray(whole.remaining()).also(whole.duplicate()::get)
        }

    companion object {
        @JvmStatic
        fun fromBlob(data: FloatBuffer, shape: LongArray): Tensor = direct(data, data.isDirect, shape)

        @JvmStatic
        fun fromBlob(data: IntBuffer, shape: LongArray): Tensor = direct(data, data.isDirect, shape)

        @JvmStatic
        fun fromBlobUnsigned(data: ByteBuffer, shape: LongArray): Tensor = direct(data, data.isDirect, shape)

        private fun direct(data: Buffer, isDirect: Boolean, shape: LongArray): Tensor {
            require(isDirect) { "Data buffer must be direct" }
            require(shape.fold(1L, Long::times) == data.remaining().toLong()) { "Inconsistent data capacity and shape" }
            return Tensor(data, shape)
        }
    }
}
