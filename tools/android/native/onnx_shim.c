/* The few calls of ONNX Runtime that tools/android/stubs/onnxruntime makes, over the library of its Python wheel.
 * ORT_LIBRARY, set at build time, is that library's path. */
#include <dlfcn.h>
#include <jni.h>
#include <onnxruntime_c_api.h>
#include <stdlib.h>
#include <string.h>

static const OrtApiBase *base;
static const OrtApi *api;
static OrtEnv *environment;

static void throw_java(JNIEnv *java, const char *message) {
    (*java)->ThrowNew(java, (*java)->FindClass(java, "ai/onnxruntime/OrtException"), message);
}

/* Whether the call failed; a Java exception is then on its way. */
static int failed(JNIEnv *java, OrtStatus *status) {
    if (status == NULL) return 0;
    throw_java(java, api->GetErrorMessage(status));
    api->ReleaseStatus(status);
    return 1;
}

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *machine, void *reserved) {
    (void)machine, (void)reserved;
    void *library = dlopen(ORT_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return JNI_ERR;
    const OrtApiBase *(*get_base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
    base = get_base();
    api = base->GetApi(ORT_API_VERSION);
    if (api == NULL || api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "shim", &environment) != NULL) return JNI_ERR;
    return JNI_VERSION_1_8;
}

JNIEXPORT jstring JNICALL Java_ai_onnxruntime_Shim_version(JNIEnv *java, jclass class_) {
    (void)class_;
    return (*java)->NewStringUTF(java, base->GetVersionString());
}

JNIEXPORT jlong JNICALL Java_ai_onnxruntime_Shim_open(
    JNIEnv *java, jclass class_, jstring path, jint intra_op_threads, jint inter_op_threads) {
    (void)class_;
    OrtSessionOptions *options = NULL;
    OrtSession *session = NULL;
    if (failed(java, api->CreateSessionOptions(&options))) return 0;
    const char *text = (*java)->GetStringUTFChars(java, path, NULL);
    if (!failed(java, api->SetIntraOpNumThreads(options, intra_op_threads)) &&
        !failed(java, api->SetInterOpNumThreads(options, inter_op_threads))) {
        failed(java, api->CreateSession(environment, text, options, &session));
    }
    (*java)->ReleaseStringUTFChars(java, path, text);
    api->ReleaseSessionOptions(options);
    return (jlong)(intptr_t)session;
}

/* Floats as a new float[], int32 as a new int[], another tensor as an empty byte[]; NULL if it is no tensor, or with an exception on its way. */
static jobject to_java(JNIEnv *java, OrtValue *value) {
    OrtTensorTypeAndShapeInfo *info = NULL;
    size_t count = 0;
    void *numbers = NULL;
    int is_tensor = 0;
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    if (failed(java, api->IsTensor(value, &is_tensor)) || !is_tensor) return NULL;
    if (failed(java, api->GetTensorTypeAndShape(value, &info))) return NULL;
    int bad = failed(java, api->GetTensorShapeElementCount(info, &count)) || failed(java, api->GetTensorElementType(info, &type));
    api->ReleaseTensorTypeAndShapeInfo(info);
    if (bad) return NULL;
    int is_float = type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    if (!is_float && type != ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32) return (*java)->NewByteArray(java, 0);
    if (failed(java, api->GetTensorMutableData(value, &numbers))) return NULL;
    if (!is_float) {
        jintArray whole = (*java)->NewIntArray(java, (jsize)count);
        if (whole != NULL) (*java)->SetIntArrayRegion(java, whole, 0, (jsize)count, numbers);
        return whole;
    }
    jfloatArray array = (*java)->NewFloatArray(java, (jsize)count);
    if (array != NULL) (*java)->SetFloatArrayRegion(java, array, 0, (jsize)count, numbers);
    return array;
}

JNIEXPORT jobject JNICALL Java_ai_onnxruntime_Shim_run(
    JNIEnv *java, jclass class_, jlong session, jstring input, jobject data, jlong elements, jlongArray shape,
    jboolean bytes, jstring output) {
    (void)class_;
    void *address = (*java)->GetDirectBufferAddress(java, data);
    if (address == NULL) {
        throw_java(java, "the input is no direct buffer");
        return NULL;
    }
    int64_t sizes[8];
    jsize rank = (*java)->GetArrayLength(java, shape);
    if (rank > 8) rank = 8;
    (*java)->GetLongArrayRegion(java, shape, 0, rank, (jlong *)sizes);
    size_t length = (size_t)elements * (bytes ? 1 : sizeof(float));
    ONNXTensorElementDataType type =
        bytes ? ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;

    OrtMemoryInfo *memory = NULL;
    OrtValue *tensor = NULL, *answer = NULL;
    jobject result = NULL;
    const char *input_name = (*java)->GetStringUTFChars(java, input, NULL);
    const char *output_name = (*java)->GetStringUTFChars(java, output, NULL);
    if (!failed(java, api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory)) &&
        !failed(java, api->CreateTensorWithDataAsOrtValue(memory, address, length, sizes, (size_t)rank, type, &tensor)) &&
        !failed(java, api->Run(
            (OrtSession *)(intptr_t)session, NULL, &input_name, (const OrtValue *const *)&tensor, 1, &output_name, 1,
            &answer))) {
        result = to_java(java, answer);
    }
    if (answer != NULL) api->ReleaseValue(answer);
    if (tensor != NULL) api->ReleaseValue(tensor);
    if (memory != NULL) api->ReleaseMemoryInfo(memory);
    (*java)->ReleaseStringUTFChars(java, input, input_name);
    (*java)->ReleaseStringUTFChars(java, output, output_name);
    return result;
}

JNIEXPORT void JNICALL Java_ai_onnxruntime_Shim_close(JNIEnv *java, jclass class_, jlong session) {
    (void)java, (void)class_;
    api->ReleaseSession((OrtSession *)(intptr_t)session);
}
