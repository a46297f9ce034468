package org.pytorch.executorch

import java.io.Closeable

open class ExecutorchRuntimeException(val errorCode: Int, details: String?) : RuntimeException("[ExecuTorch Error 0x$errorCode] $details")

/** The calls that the adapter makes, with what the real ones throw. [played] stands in for the library. */
open class Module private constructor() : Closeable {
    private var isDestroyed = false

    open fun loadMethod(methodName: String) {
        check(!isDestroyed) { "Module has been destroyed" }
        if (methodName !in played.methods) throw ExecutorchRuntimeException(20, "Failed to load method: $methodName")
    }

    open fun execute(methodName: String, vararg inputs: EValue): Array<EValue> {
        check(!isDestroyed) { "Module has been destroyed" }
        return played.execute(inputs.single())
    }

    open fun destroy() {
        check(!played.isExecuting) { "Cannot destroy module while method is executing" }
        isDestroyed = true
    }

    override fun close() {
        destroy()
    }

    /** What the stub answers. */
    class Played(
        val methods: Set<String> = setOf("forward"),
        val isExecuting: Boolean = false,
        val execute: (EValue) -> Array<EValue>,
    )

    companion object {
        const val LOAD_MODE_FILE = 0
        const val LOAD_MODE_MMAP = 1

        /** Not in the real API. */
        var played = Played { throw UnsupportedOperationException("a stub to compile against") }

        @JvmStatic
        @JvmOverloads
        fun load(modelPath: String?, loadMode: Int = LOAD_MODE_FILE, numThreads: Int = 0): Module {
            require(!modelPath.isNullOrEmpty() && loadMode >= 0 && numThreads >= 0) { "no path" }
            return Module()
        }
    }
}
