"""The models of `keras.applications`, one a line. Written by scripts/models from Keras: change nothing here.

In a line: the name; the submodule with `preprocess_input`; the smallest side in pixels; parameters without the top, and
those of them that are trained; features; what the channels are multiplied with after they were normalized, in the graph
of ImageNet weights alone; the MD5 or SHA-256 that Keras compares its file with; the sides in pixels that have a file of
their own; the address of the file, and its name in Keras's cache where that is another one. A dash is nothing.
"""

TABLE = """\
ConvNeXtBase convnext 32 87566464 87566464 1024 - 40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45 - tensorflow/keras-applications/convnext/convnext_base_notop.h5
ConvNeXtLarge convnext 32 196230336 196230336 1536 - 96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd - tensorflow/keras-applications/convnext/convnext_large_notop.h5
ConvNeXtSmall convnext 32 49454688 49454688 768 - 6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab - tensorflow/keras-applications/convnext/convnext_small_notop.h5
ConvNeXtTiny convnext 32 27820128 27820128 768 - d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1 - tensorflow/keras-applications/convnext/convnext_tiny_notop.h5
ConvNeXtXLarge convnext 32 348147968 348147968 2048 - de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05 - tensorflow/keras-applications/convnext/convnext_xlarge_notop.h5
DenseNet121 densenet 32 7037504 6953856 1024 - 30ee3e1110167f948a6b9946edeeb738 - tensorflow/keras-applications/densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5
DenseNet169 densenet 32 12642880 12484480 1664 - b8c4d4c20dd625c148057b9ff1c1176b - tensorflow/keras-applications/densenet/densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5
DenseNet201 densenet 32 18321984 18092928 1920 - c13680b51ded0fb44dff2d8f86ac8bb1 - tensorflow/keras-applications/densenet/densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5
EfficientNetB0 efficientnet 32 4049571 4007548 1280 2.0896918976428642,2.1128856368212916,2.1081851067789197 50bc09e76180e00e4465e1a485ddc09d - keras-applications/efficientnetb0_notop.h5
EfficientNetB1 efficientnet 32 6575239 6513184 1280 2.0896918976428642,2.1128856368212916,2.1081851067789197 74c4e6b3e1f6a1eea24c589628592432 - keras-applications/efficientnetb1_notop.h5
EfficientNetB2 efficientnet 32 7768569 7700994 1408 2.0896918976428642,2.1128856368212916,2.1081851067789197 111f8e2ac8aa800a7a99e3239f7bfb39 - keras-applications/efficientnetb2_notop.h5
EfficientNetB3 efficientnet 32 10783535 10696232 1536 2.0896918976428642,2.1128856368212916,2.1081851067789197 af6d107764bb5b1abb91932881670226 - keras-applications/efficientnetb3_notop.h5
EfficientNetB4 efficientnet 32 17673823 17548616 1792 2.0896918976428642,2.1128856368212916,2.1081851067789197 ebc24e6d6c33eaebbd558eafbeedf1ba - keras-applications/efficientnetb4_notop.h5
EfficientNetB5 efficientnet 32 28513527 28340784 2048 2.0896918976428642,2.1128856368212916,2.1081851067789197 38879255a25d3c92d5e44e04ae6cec6f - keras-applications/efficientnetb5_notop.h5
EfficientNetB6 efficientnet 32 40960143 40735704 2304 2.0896918976428642,2.1128856368212916,2.1081851067789197 9ecce42647a20130c1f39a5d4cb75743 - keras-applications/efficientnetb6_notop.h5
EfficientNetB7 efficientnet 32 64097687 63786960 2560 2.0896918976428642,2.1128856368212916,2.1081851067789197 cbcfe4450ddf6f3ad90b1b398090fe4a - keras-applications/efficientnetb7_notop.h5
EfficientNetV2B0 efficientnet_v2 32 5919312 5858704 1280 - 893217f2bb855e2983157299931e43ff - tensorflow/keras-applications/efficientnet_v2/efficientnetv2-b0_notop.h5
EfficientNetV2B1 efficientnet_v2 32 6931124 6860052 1280 - 0e80663031ca32d657f9caa404b6ec37 - tensorflow/keras-applications/efficientnet_v2/efficientnetv2-b1_notop.h5
EfficientNetV2B2 efficientnet_v2 32 8769374 8687086 1408 - 1dfe2e7a5d45b6632553a8961ea609eb - tensorflow/keras-applications/efficientnet_v2/efficientnetv2-b2_notop.h5
EfficientNetV2B3 efficientnet_v2 32 12930622 12821406 1536 - f6abf7b5849ac99a89b50dd3fd532856 - tensorflow/keras-applications/efficientnet_v2/efficientnetv2-b3_notop.h5
EfficientNetV2L efficientnet_v2 32 117746848 117234272 1280 - b0b66b5c863aef5b46e8608fe1711615 - tensorflow/keras-applications/efficientnet_v2/efficientnetv2-l_notop.h5
EfficientNetV2M efficientnet_v2 32 53150388 52858356 1280 - 1b8dc055df72dde80d614482840fe342 - tensorflow/keras-applications/efficientnet_v2/efficientnetv2-m_notop.h5
EfficientNetV2S efficientnet_v2 32 20331360 20177488 1280 - af0682fb74e8c54910f2d4393339c070 - tensorflow/keras-applications/efficientnet_v2/efficientnetv2-s_notop.h5
InceptionResNetV2 inception_resnet_v2 75 54336736 54276192 1536 - d19885ff4a710c122648d3b5c3b684e4 - tensorflow/keras-applications/inception_resnet_v2/inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5
InceptionV3 inception_v3 75 21802784 21768352 2048 - bcbd6486424b2319ff4ef7d526e38f63 - tensorflow/keras-applications/inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5
MobileNet mobilenet 32 3228864 3206976 1024 - - 128,160,192,224 tensorflow/keras-applications/mobilenet/mobilenet_1_0_{}_tf_no_top.h5
MobileNetV2 mobilenet_v2 32 2257984 2223872 1280 - - 96,128,160,192,224 tensorflow/keras-applications/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{}_no_top.h5
MobileNetV3Large mobilenet_v3 32 2996352 2971952 960 - 07fb09a5933dd0c8eaafa16978110389 - tensorflow/keras-applications/mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5
MobileNetV3Small mobilenet_v3 32 939120 927008 576 - d3e8ec802a04aa4fc771ee12a9a9b836 - tensorflow/keras-applications/mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5
NASNetLarge nasnet 32 84916818 84720150 4032 - d81d89dc07e6e56530c4e77faddd61b5 - tensorflow/keras-applications/nasnet/NASNet-large-no-top.h5 nasnet_large_no_top.h5
NASNetMobile nasnet 32 4269716 4232978 1056 - 1ed92395b5b598bdda52abe5c0dbfd63 - tensorflow/keras-applications/nasnet/NASNet-mobile-no-top.h5 nasnet_mobile_no_top.h5
ResNet101 resnet 32 42658176 42552832 2048 - 88cf7a10940856eca736dc7b7e228a21 - tensorflow/keras-applications/resnet/resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5
ResNet101V2 resnet_v2 32 42626560 42528896 2048 - c0ed64b8031c3730f411d2eb4eea35b5 - tensorflow/keras-applications/resnet/resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5
ResNet152 resnet 32 58370944 58219520 2048 - ee4c566cf9a93f14d82f913c2dc6dd0c - tensorflow/keras-applications/resnet/resnet152_weights_tf_dim_ordering_tf_kernels_notop.h5
ResNet152V2 resnet_v2 32 58331648 58187904 2048 - ed17cf2e0169df9d443503ef94b23b33 - tensorflow/keras-applications/resnet/resnet152v2_weights_tf_dim_ordering_tf_kernels_notop.h5
ResNet50 resnet 32 23587712 23534592 2048 - 4d473c1dd8becc155b73f8504c6f6626 - tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5
ResNet50V2 resnet_v2 32 23564800 23519360 2048 - fac2f116257151a9d068a22e544a4917 - tensorflow/keras-applications/resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5
VGG16 vgg16 32 14714688 14714688 512 - 6d6bbae143d832006294945121d1f1fc - tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
VGG19 vgg19 32 20024384 20024384 512 - 253f8cb515780f3b799900260a226db6 - tensorflow/keras-applications/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5
Xception xception 71 20861480 20806952 2048 - b0042744bf5b25fce3cb969f33bebb97 - tensorflow/keras-applications/xception/xception_weights_tf_dim_ordering_tf_kernels_notop.h5
"""
